-- Makes the full-text indexes and fills them, as the migrations do: after drop.sql, or in a database that was
-- made of an export.
CREATE VIRTUAL TABLE `hospitals_search` USING fts5(`clinic`, `folded`, tokenize = 'trigram', detail = 'none', content = '', contentless_delete = 1);
INSERT INTO `hospitals_search` (`rowid`, `clinic`, `folded`)
  SELECT h.rowid, char(57344 + c.rowid % 6400, 57344 + c.rowid / 6400 % 6400, 57344 + c.rowid / 40960000 % 6400), h.folded
  FROM `hospitals` h JOIN `clinics` c ON c.id = h.clinic_id;
CREATE TRIGGER `hospitals_search_insert` AFTER INSERT ON `hospitals` BEGIN
  INSERT INTO `hospitals_search` (`rowid`, `clinic`, `folded`)
    SELECT NEW.rowid, char(57344 + rowid % 6400, 57344 + rowid / 6400 % 6400, 57344 + rowid / 40960000 % 6400), NEW.folded
    FROM `clinics` WHERE id = NEW.clinic_id;
END;
CREATE TRIGGER `hospitals_search_delete` AFTER DELETE ON `hospitals` BEGIN
  DELETE FROM `hospitals_search` WHERE rowid = OLD.rowid;
END;
CREATE TRIGGER `hospitals_search_update` AFTER UPDATE OF `clinic_id`, `folded` ON `hospitals` BEGIN
  DELETE FROM `hospitals_search` WHERE rowid = OLD.rowid;
  INSERT INTO `hospitals_search` (`rowid`, `clinic`, `folded`)
    SELECT NEW.rowid, char(57344 + rowid % 6400, 57344 + rowid / 6400 % 6400, 57344 + rowid / 40960000 % 6400), NEW.folded
    FROM `clinics` WHERE id = NEW.clinic_id;
END;
CREATE VIRTUAL TABLE `patients_search` USING fts5(`clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`, tokenize = 'trigram case_sensitive 1', detail = 'none', content = '', columnsize = 0);
INSERT INTO `patients_search` (`patients_search`, `rank`) VALUES ('secure-delete', 1);
INSERT INTO `patients_search` (`rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`) SELECT * FROM `patients_indexed`;
CREATE TRIGGER `patients_search_insert` AFTER INSERT ON `patients` BEGIN
  INSERT INTO `patients_search` (`rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT * FROM `patients_indexed` WHERE `place` = NEW.rowid;
END;
CREATE TRIGGER `patients_search_delete` BEFORE DELETE ON `patients` BEGIN
  INSERT INTO `patients_search` (`patients_search`, `rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT 'delete', * FROM `patients_indexed` WHERE `place` = OLD.rowid;
END;
CREATE TRIGGER `patients_search_leave` BEFORE UPDATE OF `clinic_id`, `name_folded`, `phone`, `birth_date` ON `patients`
WHEN OLD.`clinic_id` IS NOT NEW.`clinic_id` OR OLD.`name_folded` IS NOT NEW.`name_folded`
  OR OLD.`phone` IS NOT NEW.`phone` OR OLD.`birth_date` IS NOT NEW.`birth_date` BEGIN
  INSERT INTO `patients_search` (`patients_search`, `rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT 'delete', * FROM `patients_indexed` WHERE `place` = OLD.rowid;
END;
CREATE TRIGGER `patients_search_enter` AFTER UPDATE OF `clinic_id`, `name_folded`, `phone`, `birth_date` ON `patients`
WHEN OLD.`clinic_id` IS NOT NEW.`clinic_id` OR OLD.`name_folded` IS NOT NEW.`name_folded`
  OR OLD.`phone` IS NOT NEW.`phone` OR OLD.`birth_date` IS NOT NEW.`birth_date` BEGIN
  INSERT INTO `patients_search` (`rowid`, `clinic`, `words`, `born`, `phone4`, `phone5`, `phone6`, `phone7`, `phone8`)
    SELECT * FROM `patients_indexed` WHERE `place` = NEW.rowid;
END;
