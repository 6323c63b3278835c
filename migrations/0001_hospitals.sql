CREATE TABLE `hospitals` (
	`clinic_id` text NOT NULL,
	`id` text NOT NULL,
	`batch_id` text NOT NULL,
	`name` text NOT NULL,
	`address` text NOT NULL,
	`phone` text,
	`phone_e164` text,
	`folded` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`clinic_id`, `id`)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `hospitals_identity` ON `hospitals` (`clinic_id`,`folded`);--> statement-breakpoint
CREATE TABLE `import_chunks` (
	`job_id` text NOT NULL,
	`chunk` integer NOT NULL,
	`clinic_id` text NOT NULL,
	`first_row` integer NOT NULL,
	`last_row` integer NOT NULL,
	`state` text NOT NULL,
	`lease` text,
	`lease_until` integer NOT NULL,
	`attempts` integer NOT NULL,
	`created` integer NOT NULL,
	`failed` integer NOT NULL,
	PRIMARY KEY(`job_id`, `chunk`)
);
--> statement-breakpoint
CREATE TABLE `import_rows` (
	`job_id` text NOT NULL,
	`row` integer NOT NULL,
	`name` text NOT NULL,
	`address` text NOT NULL,
	`phone` text,
	`phone_e164` text,
	`folded` text NOT NULL,
	`status` text,
	`reason` text,
	PRIMARY KEY(`job_id`, `row`)
);
--> statement-breakpoint
CREATE INDEX `import_rows_identity` ON `import_rows` (`job_id`,`folded`,`row`);--> statement-breakpoint
CREATE TABLE `imports` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`batch_id` text NOT NULL,
	`state` text NOT NULL,
	`total_rows` integer NOT NULL,
	`created_at` integer NOT NULL,
	`queued_at` integer,
	`started_at` integer,
	`completed_at` integer,
	`activated_at` integer,
	`error` text
);
--> statement-breakpoint
CREATE INDEX `imports_by_clinic` ON `imports` (`clinic_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `imports_batch` ON `imports` (`clinic_id`,`batch_id`);