CREATE VIRTUAL TABLE `hospitals_search` USING fts5(`clinic`, `folded`, tokenize = 'trigram', detail = 'none', content = '', contentless_delete = 1);--> statement-breakpoint
INSERT INTO `hospitals_search` (`rowid`, `clinic`, `folded`)
  SELECT h.rowid, char(57344 + c.rowid % 6400, 57344 + c.rowid / 6400 % 6400, 57344 + c.rowid / 40960000 % 6400), h.folded
  FROM `hospitals` h JOIN `clinics` c ON c.id = h.clinic_id;--> statement-breakpoint
CREATE TRIGGER `hospitals_search_insert` AFTER INSERT ON `hospitals` BEGIN
  INSERT INTO `hospitals_search` (`rowid`, `clinic`, `folded`)
    SELECT NEW.rowid, char(57344 + rowid % 6400, 57344 + rowid / 6400 % 6400, 57344 + rowid / 40960000 % 6400), NEW.folded
    FROM `clinics` WHERE id = NEW.clinic_id;
END;--> statement-breakpoint
CREATE TRIGGER `hospitals_search_delete` AFTER DELETE ON `hospitals` BEGIN
  DELETE FROM `hospitals_search` WHERE rowid = OLD.rowid;
END;--> statement-breakpoint
CREATE TRIGGER `hospitals_search_update` AFTER UPDATE OF `clinic_id`, `folded` ON `hospitals` BEGIN
  DELETE FROM `hospitals_search` WHERE rowid = OLD.rowid;
  INSERT INTO `hospitals_search` (`rowid`, `clinic`, `folded`)
    SELECT NEW.rowid, char(57344 + rowid % 6400, 57344 + rowid / 6400 % 6400, 57344 + rowid / 40960000 % 6400), NEW.folded
    FROM `clinics` WHERE id = NEW.clinic_id;
END;
