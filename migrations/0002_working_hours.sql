ALTER TABLE `appointments` ADD `starts_at` text;--> statement-breakpoint
ALTER TABLE `appointments` ADD `ends_at` text;--> statement-breakpoint
ALTER TABLE `doctors` ADD `capacity_by_hours` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `doctors` ADD `working_hours` text;