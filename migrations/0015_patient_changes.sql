ALTER TABLE `patients` ADD `version` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `patients` ADD `change_op` text;