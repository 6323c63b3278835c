ALTER TABLE `appointments` ADD `span` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `appointments` ADD `service_id` text;--> statement-breakpoint
ALTER TABLE `days` ADD `taken_slots` text;--> statement-breakpoint
ALTER TABLE `days` ADD `terms` text;