CREATE TABLE `sign_in_links` (
	`hash` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`staff_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	`op_id` text NOT NULL,
	`used_op` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sign_in_links_op_id_unique` ON `sign_in_links` (`op_id`);--> statement-breakpoint
CREATE INDEX `sign_in_links_expiry` ON `sign_in_links` (`clinic_id`,`expires_at`);--> statement-breakpoint
CREATE TABLE `staff` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`name` text NOT NULL,
	`role` text NOT NULL,
	`created_at` integer NOT NULL,
	`left_at` integer,
	`op_id` text NOT NULL,
	`version` integer DEFAULT 1 NOT NULL,
	`change_op` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `staff_op_id_unique` ON `staff` (`op_id`);--> statement-breakpoint
CREATE INDEX `staff_by_clinic` ON `staff` (`clinic_id`,`id`);--> statement-breakpoint
ALTER TABLE `api_keys` ADD `staff_id` text;--> statement-breakpoint
ALTER TABLE `api_keys` ADD `expires_at` integer;--> statement-breakpoint
CREATE INDEX `api_keys_by_staff` ON `api_keys` (`staff_id`) WHERE staff_id IS NOT NULL;--> statement-breakpoint
ALTER TABLE `clinics` ADD `settings` text DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE `clinics` ADD `version` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `clinics` ADD `change_op` text;