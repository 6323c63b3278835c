CREATE TABLE `patient_identifiers` (
	`clinic_id` text NOT NULL,
	`lower_value` text NOT NULL,
	`system` text NOT NULL,
	`value` text NOT NULL,
	`patient_id` text NOT NULL,
	PRIMARY KEY(`clinic_id`, `lower_value`, `system`, `value`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `patients` ADD `birth_date` text;--> statement-breakpoint
ALTER TABLE `patients` ADD `age_at` integer;--> statement-breakpoint
ALTER TABLE `patients` ADD `language` text;--> statement-breakpoint
ALTER TABLE `patients` ADD `notes` text;--> statement-breakpoint
ALTER TABLE `patients` ADD `contact_ok` integer;--> statement-breakpoint
ALTER TABLE `patients` ADD `identifiers` text;--> statement-breakpoint
CREATE VIEW `patients_indexed` AS
  SELECT p.`place`, char(64977, 983040 + c.rowid % 65534, 983040 + c.rowid / 65534) AS `clinic`,
    char(64976, 64976) || replace(`name_folded`, ' ', char(64976, 64976)) || CASE WHEN `name_folded` GLOB '*[-'']*'
      THEN char(64976, 64976) || replace(replace(replace(`name_folded`, ' ', char(64976, 64976)), '-', char(64976, 64976)), '''', char(64976, 64976))
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
CREATE VIRTUAL TABLE `patients_search` USING fts5(`clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`, tokenize = 'trigram case_sensitive 1', detail = 'none', content = '', columnsize = 0);--> statement-breakpoint
INSERT INTO `patients_search` (`patients_search`, `rank`) VALUES ('secure-delete', 1);--> statement-breakpoint
INSERT INTO `patients_search` (`rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`) SELECT * FROM `patients_indexed`;--> statement-breakpoint
CREATE TRIGGER `patients_search_insert` AFTER INSERT ON `patients` BEGIN
  INSERT INTO `patients_search` (`rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT * FROM `patients_indexed` WHERE `place` = NEW.rowid;
END;--> statement-breakpoint
CREATE TRIGGER `patients_search_delete` BEFORE DELETE ON `patients` BEGIN
  INSERT INTO `patients_search` (`patients_search`, `rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT 'delete', * FROM `patients_indexed` WHERE `place` = OLD.rowid;
END;--> statement-breakpoint
CREATE TRIGGER `patients_search_leave` BEFORE UPDATE OF `clinic_id`, `name_folded`, `phone`, `birth_date` ON `patients`
WHEN OLD.`clinic_id` IS NOT NEW.`clinic_id` OR OLD.`name_folded` IS NOT NEW.`name_folded`
  OR OLD.`phone` IS NOT NEW.`phone` OR OLD.`birth_date` IS NOT NEW.`birth_date` BEGIN
  INSERT INTO `patients_search` (`patients_search`, `rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT 'delete', * FROM `patients_indexed` WHERE `place` = OLD.rowid;
END;--> statement-breakpoint
CREATE TRIGGER `patients_search_enter` AFTER UPDATE OF `clinic_id`, `name_folded`, `phone`, `birth_date` ON `patients`
WHEN OLD.`clinic_id` IS NOT NEW.`clinic_id` OR OLD.`name_folded` IS NOT NEW.`name_folded`
  OR OLD.`phone` IS NOT NEW.`phone` OR OLD.`birth_date` IS NOT NEW.`birth_date` BEGIN
  INSERT INTO `patients_search` (`rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT * FROM `patients_indexed` WHERE `place` = NEW.rowid;
END;--> statement-breakpoint
CREATE TRIGGER `patient_identifiers_insert` AFTER INSERT ON `patients`
WHEN NEW.`identifiers` IS NOT NULL BEGIN
  INSERT INTO `patient_identifiers` (`clinic_id`, `lower_value`, `system`, `value`, `patient_id`)
    SELECT NEW.`clinic_id`, lower(value->>'value'), value->>'system', value->>'value', NEW.`id` FROM json_each(NEW.`identifiers`);
END;--> statement-breakpoint
CREATE TRIGGER `patient_identifiers_delete` AFTER DELETE ON `patients`
WHEN OLD.`identifiers` IS NOT NULL BEGIN
  DELETE FROM `patient_identifiers` WHERE `clinic_id` = OLD.`clinic_id` AND (`lower_value`, `system`, `value`) IN
    (SELECT lower(value->>'value'), value->>'system', value->>'value' FROM json_each(OLD.`identifiers`));
END;--> statement-breakpoint
CREATE TRIGGER `patient_identifiers_update` AFTER UPDATE OF `clinic_id`, `identifiers` ON `patients`
WHEN OLD.`clinic_id` IS NOT NEW.`clinic_id` OR OLD.`identifiers` IS NOT NEW.`identifiers` BEGIN
  DELETE FROM `patient_identifiers` WHERE `clinic_id` = OLD.`clinic_id` AND (`lower_value`, `system`, `value`) IN
    (SELECT lower(value->>'value'), value->>'system', value->>'value' FROM json_each(OLD.`identifiers`));
  INSERT INTO `patient_identifiers` (`clinic_id`, `lower_value`, `system`, `value`, `patient_id`)
    SELECT NEW.`clinic_id`, lower(value->>'value'), value->>'system', value->>'value', NEW.`id` FROM json_each(NEW.`identifiers`);
END;
