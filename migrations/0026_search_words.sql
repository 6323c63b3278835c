INSERT INTO `patients_search` (`patients_search`, `rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
  SELECT 'delete', * FROM `patients_indexed` WHERE `place` IN (SELECT rowid FROM `patients` WHERE `name_folded` GLOB '*[-''⺀-鿿가-힣𠀀-𿿽]*');--> statement-breakpoint
DROP VIEW `patients_indexed`;--> statement-breakpoint
CREATE VIEW `patients_indexed` AS
  SELECT p.`place`, char(64977, 983040 + c.rowid % 65534, 983040 + c.rowid / 65534) AS `clinic`,
    char(64976, 64976) || replace(`name_folded`, ' ', char(64976, 64976)) || CASE WHEN `name_folded` GLOB '*[-'']*'
      THEN char(64976, 64976) || replace(replace(replace(`name_folded`, ' ', char(64976, 64976)), '-', char(64976, 64976)), '''', char(64976, 64976))
        || char(64976, 64976) || replace(replace(replace(`name_folded`, '-', ''), '''', ''), ' ', char(64976, 64976))
      ELSE '' END || CASE WHEN `name_folded` GLOB '*[⺀-鿿가-힣𠀀-𿿽]*' THEN (
        WITH RECURSIVE `positions`(`at`) AS (SELECT 1 UNION ALL SELECT `at` + 1 FROM `positions` WHERE `at` < length(`name_folded`))
        SELECT group_concat(char(64976, 64976) || replace(substr(`name_folded`, `at`, 2), ' ', ''), '') FROM `positions`
        WHERE substr(`name_folded`, `at`, 1) GLOB '[⺀-鿿가-힣𠀀-𿿽]')
      ELSE '' END AS `words`,
    CASE WHEN `birth_date` IS NOT NULL THEN char(64979, 983040 + substr(`birth_date`, 1, 4),
      983040 + substr(`birth_date`, 6, 2) * 32 + substr(`birth_date`, 9, 2)) END AS `born`,
    char(64978, 64978, 983040 + substr(`digits`, -4)) AS `phone4`,
    char(64978, 983040 + 0 + substr(`digits`, -5, 1), 983040 + substr(`digits`, -4)) AS `phone5`,
    char(64978, 983040 + 10 + substr(`digits`, -6, 2), 983040 + substr(`digits`, -4)) AS `phone6`,
    char(64978, 983040 + 110 + substr(`digits`, -7, 3), 983040 + substr(`digits`, -4)) AS `phone7`,
    char(64978, 983040 + 1110 + substr(`digits`, -8, 4), 983040 + substr(`digits`, -4)) AS `phone8`
  FROM (SELECT rowid AS `place`, `clinic_id`, `name_folded`, `birth_date`,
      substr(`phone`, 1, instr(`phone` || ';', ';') - 1) AS `digits` FROM `patients`) p
    JOIN `clinics` c ON c.id = p.`clinic_id`;--> statement-breakpoint
INSERT INTO `patients_search` (`rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
  SELECT * FROM `patients_indexed` WHERE `place` IN (SELECT rowid FROM `patients` WHERE `name_folded` GLOB '*[-''⺀-鿿가-힣𠀀-𿿽]*');
