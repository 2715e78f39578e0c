-- Where the journal's part of the trail begins: the event before it is the newest of those that have left for
-- the files of their months.
CREATE TABLE trail_base (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO trail_base VALUES (1, 0, '');

-- What an erasure has still to remove from these files: value `n` of an event, null for all it says of a
-- person. Event 0 stands for the journal's file itself, which is to be written anew.
CREATE TABLE erasing (
    seq INTEGER NOT NULL,
    n INTEGER
);

-- Why a closed operation failed is in the trail.
UPDATE op SET reason = NULL WHERE state = 'closed';
