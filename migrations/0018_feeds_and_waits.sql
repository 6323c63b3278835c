CREATE TABLE `doctor_feeds` (
	`doctor_id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`token_hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`op_id` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `check_ins` ADD `called_at` integer;