-- Every change before it is sent, and what became of it. `keys`, `wanted` and `original` name people:
-- they are emptied when the operation is closed.
CREATE TABLE op (
    id TEXT NOT NULL PRIMARY KEY,
    base TEXT NOT NULL,
    target TEXT NOT NULL,
    type TEXT NOT NULL,
    operation TEXT NOT NULL,
    resource TEXT NOT NULL,
    target_id TEXT,
    correlation_id TEXT NOT NULL,
    becomes TEXT NOT NULL,
    keys TEXT,
    wanted TEXT,
    original TEXT,
    removes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'doubt', 'pending', 'held', 'dead', 'closed')),
    reason TEXT,
    due TEXT NOT NULL DEFAULT '',
    outcome TEXT,
    fence INTEGER NOT NULL,
    owner TEXT NOT NULL,
    lease_until TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    opened TEXT NOT NULL,
    closed TEXT
);
CREATE INDEX op_unsettled ON op (base) WHERE state <> 'closed';
CREATE INDEX op_removal ON op (target, closed) WHERE removes = 1;

-- Where too many people were removed at once: since when nothing is removed, and when it was last released.
CREATE TABLE brake (
    target TEXT NOT NULL PRIMARY KEY,
    tripped TEXT,
    released TEXT
);

-- The keys of unsettled operations: one operation at a time holds each.
CREATE TABLE op_key (
    key TEXT NOT NULL,
    target TEXT NOT NULL,
    type TEXT NOT NULL,
    op TEXT NOT NULL,
    PRIMARY KEY (key, target, type)
) WITHOUT ROWID;

-- Originals. A deleted one stays, so that its id is never given again.
CREATE TABLE resource (
    key INTEGER PRIMARY KEY,
    base TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    original TEXT NOT NULL,
    name_folded TEXT,
    external_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive', 'deleted')),
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    replied INTEGER NOT NULL
);
CREATE UNIQUE INDEX resource_id ON resource (base, type, id);
CREATE UNIQUE INDEX resource_name ON resource (base, type, name_folded) WHERE state <> 'deleted';
CREATE INDEX resource_external ON resource (base, type, external_id) WHERE state <> 'deleted';

-- E-mail addresses of inactive people, who may have no entry on the target that could be found by them.
CREATE TABLE email (
    resource INTEGER NOT NULL,
    folded TEXT NOT NULL,
    PRIMARY KEY (resource, folded)
) WITHOUT ROWID;
CREATE INDEX email_folded ON email (folded);

CREATE TABLE link (
    resource INTEGER NOT NULL,
    target TEXT NOT NULL,
    type TEXT NOT NULL,
    target_id TEXT,
    sent TEXT NOT NULL,
    seen TEXT,
    PRIMARY KEY (resource, target)
) WITHOUT ROWID;
CREATE INDEX link_entry ON link (target, type, target_id) WHERE target_id IS NOT NULL;

CREATE TABLE member (
    "group" INTEGER NOT NULL,
    member TEXT NOT NULL,
    target TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    PRIMARY KEY ("group", member, target)
) WITHOUT ROWID;
CREATE INDEX member_of ON member (member, target);

-- The audit trail. `body` is what `hash` covers; the columns before it repeat parts of it for the indexes,
-- except `subject`, a keyed digest of the folded user name, which leaves with the name when that is erased.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    published TEXT NOT NULL,
    event TEXT,
    target TEXT,
    result TEXT,
    correlation_id TEXT,
    actor TEXT,
    subject TEXT,
    body TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE UNIQUE INDEX event_id ON event (id);
CREATE INDEX event_published ON event (published);
CREATE INDEX event_event ON event (event);
CREATE INDEX event_target ON event (target) WHERE target IS NOT NULL;
CREATE INDEX event_result ON event (result) WHERE result IS NOT NULL;
CREATE INDEX event_correlation ON event (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX event_actor ON event (actor) WHERE actor IS NOT NULL;
CREATE INDEX event_subject ON event (subject) WHERE subject IS NOT NULL;

-- The personal values of an event, in the order of their digests in its body; erased: both are null.
CREATE TABLE event_value (
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    salt BLOB,
    value TEXT,
    PRIMARY KEY (seq, n)
) WITHOUT ROWID;

-- The newest event, written with it: a trail that ends before it was cut off.
CREATE TABLE trail_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    published TEXT NOT NULL
);
INSERT INTO trail_head VALUES (1, 0, '', '');

CREATE TABLE token (
    id TEXT NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT
);

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO meta VALUES ('salt', randomblob(32));
