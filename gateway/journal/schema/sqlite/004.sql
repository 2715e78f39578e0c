-- Targets that an administrator has paused, and since when.
CREATE TABLE pause (
    target TEXT NOT NULL PRIMARY KEY,
    since TEXT NOT NULL
) WITHOUT ROWID;
