CREATE TABLE `erasures` (
	`clinic_id` text NOT NULL,
	`patient_id` text NOT NULL,
	`erased_at` integer NOT NULL,
	`op_id` text NOT NULL,
	`state` text NOT NULL,
	`fields` text NOT NULL,
	`staged_rows` integer NOT NULL,
	`texts` integer NOT NULL,
	`cancelled` integer NOT NULL,
	`done_until` text,
	`called_by` text NOT NULL,
	`tests` integer NOT NULL,
	`events` integer NOT NULL,
	`made_by` text NOT NULL,
	PRIMARY KEY(`clinic_id`, `patient_id`)
);
--> statement-breakpoint
CREATE INDEX `erasures_by_time` ON `erasures` (`clinic_id`,`erased_at`,`patient_id`);--> statement-breakpoint
CREATE INDEX `erasures_made_by` ON `erasures` (`clinic_id`,`made_by`);