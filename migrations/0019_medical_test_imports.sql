ALTER TABLE `import_chunks` ADD `duplicate` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `imports` ADD `reach` text DEFAULT 'own' NOT NULL;