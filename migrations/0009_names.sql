DROP INDEX `patients_identity`;--> statement-breakpoint
ALTER TABLE `patients` ADD `gender_folded` text;--> statement-breakpoint
ALTER TABLE `patients` ADD `folding` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `patients` ADD `namesake` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `patients_outdated` ON `patients` (`clinic_id`,`phone`) WHERE folding < 2;--> statement-breakpoint
CREATE UNIQUE INDEX `patients_identity` ON `patients` (`clinic_id`,`phone`,`name_folded`,`namesake`);