ALTER TABLE `days` ADD `head` text;--> statement-breakpoint
ALTER TABLE `days` ADD `state` text DEFAULT 'live' NOT NULL;