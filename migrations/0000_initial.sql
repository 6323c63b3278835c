CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`name` text NOT NULL,
	`scopes` text NOT NULL,
	`secret_hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer,
	`op_id` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_op_id_unique` ON `api_keys` (`op_id`);--> statement-breakpoint
CREATE INDEX `api_keys_by_clinic` ON `api_keys` (`clinic_id`,`id`);--> statement-breakpoint
CREATE TABLE `clinics` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`time_zone` text NOT NULL,
	`country` text NOT NULL,
	`created_at` integer NOT NULL,
	`op_id` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `audit` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`clinic_id` text NOT NULL,
	`at` integer NOT NULL,
	`key_id` text NOT NULL,
	`action` text NOT NULL,
	`subject` text NOT NULL,
	`request_id` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_by_clinic` ON `audit` (`clinic_id`,`seq`);--> statement-breakpoint
CREATE TABLE `appointments` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`doctor_id` text NOT NULL,
	`patient_id` text NOT NULL,
	`date` text NOT NULL,
	`slot` integer NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`version` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `appointments_by_date` ON `appointments` (`clinic_id`,`date`,`id`);--> statement-breakpoint
CREATE INDEX `appointments_by_doctor` ON `appointments` (`clinic_id`,`doctor_id`,`date`,`id`);--> statement-breakpoint
CREATE INDEX `appointments_by_patient` ON `appointments` (`clinic_id`,`patient_id`,`date`,`id`);--> statement-breakpoint
CREATE TABLE `check_ins` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`doctor_id` text NOT NULL,
	`date` text NOT NULL,
	`appointment_id` text NOT NULL,
	`position` integer NOT NULL,
	`status` text NOT NULL,
	`checked_in_at` integer NOT NULL,
	`version` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `check_ins_by_doctor` ON `check_ins` (`clinic_id`,`doctor_id`,`date`);--> statement-breakpoint
CREATE TABLE `days` (
	`clinic_id` text NOT NULL,
	`doctor_id` text NOT NULL,
	`date` text NOT NULL,
	`is_present` integer NOT NULL,
	`capacity` integer NOT NULL,
	`taken` integer NOT NULL,
	`version` integer NOT NULL,
	PRIMARY KEY(`clinic_id`, `doctor_id`, `date`)
);
--> statement-breakpoint
CREATE TABLE `doctors` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`name` text NOT NULL,
	`code` text NOT NULL,
	`specialty` text,
	`capacity` integer NOT NULL,
	`created_at` integer NOT NULL,
	`op_id` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `doctors_code` ON `doctors` (`clinic_id`,`code`);--> statement-breakpoint
CREATE UNIQUE INDEX `doctors_page` ON `doctors` (`clinic_id`,`id`);--> statement-breakpoint
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
CREATE UNIQUE INDEX `imports_batch` ON `imports` (`clinic_id`,`batch_id`);--> statement-breakpoint
CREATE TABLE `medical_tests` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`owner_id` text NOT NULL,
	`test_id` text NOT NULL,
	`clinic_id` text NOT NULL,
	`patient_id` text NOT NULL,
	`test_type` text NOT NULL,
	`result` text NOT NULL,
	`created_at` integer NOT NULL,
	`op_id` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `medical_tests_test_id` ON `medical_tests` (`owner_id`,`test_id`);--> statement-breakpoint
CREATE INDEX `medical_tests_by_clinic` ON `medical_tests` (`clinic_id`,`seq`);--> statement-breakpoint
CREATE TABLE `patients` (
	`id` text PRIMARY KEY NOT NULL,
	`clinic_id` text NOT NULL,
	`name` text NOT NULL,
	`name_folded` text NOT NULL,
	`phone` text NOT NULL,
	`phone_owner` text,
	`age` integer,
	`gender` text,
	`email` text,
	`created_at` integer NOT NULL,
	`op_id` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `patients_identity` ON `patients` (`clinic_id`,`phone`,`name_folded`);--> statement-breakpoint
CREATE UNIQUE INDEX `patients_phone_owner` ON `patients` (`clinic_id`,`phone_owner`);--> statement-breakpoint
CREATE TABLE `webhook_events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`clinic_id` text NOT NULL,
	`event_type` text NOT NULL,
	`appointment_id` text NOT NULL,
	`patient_id` text NOT NULL,
	`timestamp` text NOT NULL,
	`instant` text NOT NULL,
	`notes` text,
	`received_at` integer NOT NULL,
	`request_id` text NOT NULL,
	`op_id` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_events_once` ON `webhook_events` (`clinic_id`,`appointment_id`,`instant`);--> statement-breakpoint
CREATE INDEX `webhook_events_by_clinic` ON `webhook_events` (`clinic_id`,`seq`);--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`clinic_id` text NOT NULL,
	`key` text NOT NULL,
	`fingerprint` text NOT NULL,
	`op_id` text NOT NULL,
	`request_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`clinic_id`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_expiry` ON `idempotency_keys` (`clinic_id`,`expires_at`);