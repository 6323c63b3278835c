CREATE TABLE `closings` (
	`clinic_id` text NOT NULL,
	`date` text NOT NULL,
	`id` text NOT NULL,
	`from_date` text NOT NULL,
	`to_date` text NOT NULL,
	`reason` text NOT NULL,
	`created_at` integer NOT NULL,
	`op_id` text NOT NULL,
	PRIMARY KEY(`clinic_id`, `date`)
);
--> statement-breakpoint
CREATE INDEX `closings_by_id` ON `closings` (`clinic_id`,`id`);--> statement-breakpoint
CREATE INDEX `closings_page` ON `closings` (`clinic_id`,`date`) WHERE date = from_date;--> statement-breakpoint
CREATE TABLE `weekly_hours` (
	`clinic_id` text NOT NULL,
	`doctor_id` text NOT NULL,
	`valid_from` text NOT NULL,
	`week` text NOT NULL,
	PRIMARY KEY(`clinic_id`, `doctor_id`, `valid_from`)
);
--> statement-breakpoint
CREATE TABLE `leave_days` (
	`clinic_id` text NOT NULL,
	`leave_id` text NOT NULL,
	`date` text NOT NULL,
	`doctor_id` text NOT NULL,
	`state` text NOT NULL,
	`tries` integer DEFAULT 0 NOT NULL,
	`why` text,
	`moved` integer DEFAULT 0 NOT NULL,
	`waitlisted` integer DEFAULT 0 NOT NULL,
	`to_call` integer DEFAULT 0 NOT NULL,
	`outcome` text,
	PRIMARY KEY(`clinic_id`, `leave_id`, `doctor_id`, `date`)
);
--> statement-breakpoint
CREATE INDEX `leave_days_by_doctor` ON `leave_days` (`clinic_id`,`doctor_id`,`date`);--> statement-breakpoint
CREATE INDEX `leave_days_to_tell` ON `leave_days` (`clinic_id`,`leave_id`,`tries`,`date`) WHERE state IN ('pending', 'ending');--> statement-breakpoint
CREATE TABLE `leaves` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`doctor_id` text,
	`kind` text NOT NULL,
	`from_date` text NOT NULL,
	`to_date` text,
	`reason` text NOT NULL,
	`move_to` text,
	`status` text NOT NULL,
	`actor` text NOT NULL,
	`created_at` integer NOT NULL,
	`op_id` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `leaves_op_id_unique` ON `leaves` (`op_id`);--> statement-breakpoint
CREATE INDEX `leaves_by_doctor` ON `leaves` (`clinic_id`,`doctor_id`,`kind`,`id`);--> statement-breakpoint
ALTER TABLE `days` ADD `set_at` integer;--> statement-breakpoint
ALTER TABLE `doctors` ADD `retired_at` integer;--> statement-breakpoint
CREATE INDEX `doctors_at_work` ON `doctors` (`clinic_id`,`id`) WHERE retired_at IS NULL;