-- When a pause ends by itself, and why there is one, where whoever paused said so.
ALTER TABLE pause ADD COLUMN until TEXT;
ALTER TABLE pause ADD COLUMN reason TEXT;
