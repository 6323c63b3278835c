ALTER TABLE `import_chunks` ADD `not_before` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `imports` ADD `mode` text DEFAULT 'strict' NOT NULL;--> statement-breakpoint
ALTER TABLE `imports` ADD `paused_until` integer;--> statement-breakpoint
ALTER TABLE `staged_rows` ADD `record_id` text;--> statement-breakpoint
ALTER TABLE `staged_rows` ADD `faults` text;--> statement-breakpoint
ALTER TABLE `staged_rows` ADD `tries` integer DEFAULT 0 NOT NULL;