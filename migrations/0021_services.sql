CREATE TABLE `services` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`name` text NOT NULL,
	`slots` integer NOT NULL,
	`doctors` text,
	`created_at` integer NOT NULL,
	`retired_at` integer,
	`op_id` text NOT NULL,
	`version` integer DEFAULT 1 NOT NULL,
	`change_op` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `services_op_id_unique` ON `services` (`op_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `services_by_clinic` ON `services` (`clinic_id`,`id`);