CREATE TABLE `merged_patients` (
	`clinic_id` text NOT NULL,
	`old_id` text NOT NULL,
	`into_id` text NOT NULL,
	`survivor_id` text NOT NULL,
	`merged_at` integer NOT NULL,
	`op_id` text NOT NULL,
	PRIMARY KEY(`clinic_id`, `old_id`)
);
--> statement-breakpoint
CREATE INDEX `merged_patients_by_survivor` ON `merged_patients` (`clinic_id`,`survivor_id`,`old_id`);--> statement-breakpoint
ALTER TABLE `erasures` ADD `also_known_as` text DEFAULT '[]' NOT NULL;