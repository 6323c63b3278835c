DROP INDEX `webhook_events_by_clinic`;--> statement-breakpoint
ALTER TABLE `webhook_events` ADD `number` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
UPDATE `webhook_events` SET `number` = `counted`.`number`
  FROM (SELECT `seq`, row_number() OVER (PARTITION BY `clinic_id` ORDER BY `seq`) AS `number` FROM `webhook_events`) AS `counted`
  WHERE `webhook_events`.`seq` = `counted`.`seq`;--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_events_number` ON `webhook_events` (`clinic_id`,`number`);--> statement-breakpoint
CREATE TRIGGER `webhook_events_numbered` AFTER INSERT ON `webhook_events` WHEN NEW.`number` = 0 BEGIN
  UPDATE `webhook_events` SET `number` =
    (SELECT max(`number`) + 1 FROM `webhook_events` WHERE `clinic_id` = NEW.`clinic_id`) WHERE `seq` = NEW.`seq`;
END;--> statement-breakpoint
DROP INDEX `imports_by_clinic`;--> statement-breakpoint
CREATE INDEX `imports_by_clinic` ON `imports` (`clinic_id`,`kind`,`id`);--> statement-breakpoint
ALTER TABLE `appointments` ADD `time_slot` integer;--> statement-breakpoint
CREATE INDEX `appointments_by_status` ON `appointments` (`clinic_id`,`status`,`date`,`id`);--> statement-breakpoint
UPDATE `appointments` SET
    `status` = iif(`check_ins`.`status` = 'served', 'completed', 'checked_in'),
    `updated_at` = max(`updated_at`, `check_ins`.`checked_in_at`)
  FROM `check_ins`
  WHERE `check_ins`.`appointment_id` = `appointments`.`id` AND `appointments`.`status` = 'booked';
