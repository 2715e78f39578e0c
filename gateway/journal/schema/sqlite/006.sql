-- Since when a target refuses an operation in itself: given up is only what it refuses for long enough.
ALTER TABLE op ADD COLUMN refused TEXT NOT NULL DEFAULT '';
