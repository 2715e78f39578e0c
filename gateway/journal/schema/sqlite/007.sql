-- What targets that follow another in a route have still to be told: of each resource its newest state, not
-- every change of it. Written with the change; goes when the target has been told of this version.
CREATE TABLE mirror (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- the order they came in; none is given twice
    base TEXT NOT NULL,
    type TEXT NOT NULL,
    resource TEXT NOT NULL,
    target TEXT NOT NULL,
    leaves INTEGER NOT NULL,             -- somebody who is inactive or deleted now
    version INTEGER NOT NULL,
    since TEXT NOT NULL,
    correlation_id TEXT NOT NULL,        -- of the newest change
    attempts INTEGER NOT NULL DEFAULT 0,
    due TEXT NOT NULL DEFAULT '',
    refused INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    UNIQUE (target, base, type, resource)
);
CREATE INDEX mirror_order ON mirror (target, base, leaves DESC, n);
