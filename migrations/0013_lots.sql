CREATE TABLE `__new_audit` (
	`seq` integer PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`at` integer NOT NULL,
	`key_id` text NOT NULL,
	`action` text NOT NULL,
	`subject` text NOT NULL,
	`request_id` text NOT NULL,
	`op_id` text
);
--> statement-breakpoint
INSERT INTO `__new_audit` (`seq`, `clinic_id`, `at`, `key_id`, `action`, `subject`, `request_id`)
  SELECT `seq`, `clinic_id`, `at`, `key_id`, `action`, `subject`, `request_id` FROM `audit`;--> statement-breakpoint
DROP TABLE `audit`;--> statement-breakpoint
ALTER TABLE `__new_audit` RENAME TO `audit`;--> statement-breakpoint
CREATE INDEX `audit_by_clinic` ON `audit` (`clinic_id`,`seq`);--> statement-breakpoint
CREATE UNIQUE INDEX `audit_once` ON `audit` (`op_id`,`action`) WHERE op_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `__new_medical_tests` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`owner_id` text NOT NULL,
	`test_id` text NOT NULL,
	`clinic_id` text NOT NULL,
	`op_id` text NOT NULL,
	`record` text NOT NULL
);
--> statement-breakpoint
INSERT INTO `__new_medical_tests` (`seq`, `owner_id`, `test_id`, `clinic_id`, `op_id`, `record`)
  SELECT `seq`, `owner_id`, `test_id`, `clinic_id`, `op_id`, json_object(
    'test_id', `test_id`, 'patient_id', `patient_id`, 'clinic_id', `clinic_id`, 'test_type', `test_type`,
    'result', `result`, 'created_at', strftime('%Y-%m-%dT%H:%M:%fZ', `created_at` / 1000.0, 'unixepoch'))
  FROM `medical_tests`;--> statement-breakpoint
DROP TABLE `medical_tests`;--> statement-breakpoint
ALTER TABLE `__new_medical_tests` RENAME TO `medical_tests`;--> statement-breakpoint
CREATE UNIQUE INDEX `medical_tests_test_id` ON `medical_tests` (`owner_id`,`test_id`);--> statement-breakpoint
CREATE INDEX `medical_tests_by_clinic` ON `medical_tests` (`clinic_id`,`seq`);
