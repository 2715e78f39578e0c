-- Since when a target refuses an operation in itself: given up is only what it refuses for long enough.
ALTER TABLE op ADD COLUMN refused TEXT NOT NULL DEFAULT '';
-- Releases before gave up after ten tries, whatever was in the way, such as an outage: that is tried again by
-- this start. What was found open in a restored journal is not.
UPDATE op SET refused = opened
WHERE state = 'dead' AND reason IS NOT 'the journal was restored: look at the target, then retry or drop';
