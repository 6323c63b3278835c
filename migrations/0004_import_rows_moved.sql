INSERT INTO `staged_rows` (`job_id`, `row`, `cells`, `identity`, `status`, `reason`)
  SELECT `job_id`, `row`, json_object('name', `name`, 'address', `address`, 'phone', `phone`, 'phone_e164', `phone_e164`),
    `folded`, `status`, `reason` FROM `import_rows`;--> statement-breakpoint
DROP TABLE `import_rows`;