-- Who is in which group: rows, so that one more costs the same in a group of thousands.

CREATE TABLE member (
    seq     INTEGER PRIMARY KEY,     -- the order they came in
    entry   INTEGER NOT NULL REFERENCES entry (seq),
    value   TEXT NOT NULL,           -- the id of an entry
    element TEXT NOT NULL,           -- JSON
    UNIQUE (entry, value)
);

CREATE INDEX member_value ON member (value);
