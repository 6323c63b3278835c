CREATE TABLE `staged_rows` (
	`job_id` text NOT NULL,
	`row` integer NOT NULL,
	`cells` text NOT NULL,
	`identity` text NOT NULL,
	`status` text,
	`reason` text,
	PRIMARY KEY(`job_id`, `row`)
);
--> statement-breakpoint
CREATE INDEX `staged_rows_identity` ON `staged_rows` (`job_id`,`identity`,`row`);--> statement-breakpoint
ALTER TABLE `import_chunks` ADD `kind` text DEFAULT 'hospitals' NOT NULL;--> statement-breakpoint
ALTER TABLE `imports` ADD `kind` text DEFAULT 'hospitals' NOT NULL;