-- Takes the full-text indexes away, because wrangler d1 export refuses a database that has some. Until build.sql
-- has run, searches fail; everything else goes on.
DROP TRIGGER `hospitals_search_insert`;
DROP TRIGGER `hospitals_search_delete`;
DROP TRIGGER `hospitals_search_update`;
DROP TRIGGER `patients_search_insert`;
DROP TRIGGER `patients_search_delete`;
DROP TRIGGER `patients_search_leave`;
DROP TRIGGER `patients_search_enter`;
DROP TABLE `hospitals_search`;
DROP TABLE `patients_search`;
