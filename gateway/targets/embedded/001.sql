-- A directory: entries, and the values by which people are looked up.

CREATE TABLE entry (
    seq         INTEGER PRIMARY KEY, -- the order of lists
    type        TEXT NOT NULL,       -- User | Group
    id          TEXT NOT NULL UNIQUE,
    name_folded TEXT,                -- the unique name, folded in Python; NULL where names are not unique
    external_id TEXT,
    document    TEXT NOT NULL,       -- JSON, with id and meta
    created     TEXT NOT NULL,       -- RFC 3339, UTC
    modified    TEXT NOT NULL,
    UNIQUE (type, name_folded)
);

CREATE INDEX entry_order ON entry (type, seq);
CREATE INDEX entry_external ON entry (type, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE value (
    path   TEXT NOT NULL,            -- displayName | emails | phoneNumbers
    folded TEXT NOT NULL,
    entry  INTEGER NOT NULL REFERENCES entry (seq),
    PRIMARY KEY (path, folded, entry)
) WITHOUT ROWID;

CREATE INDEX value_entry ON value (entry);
