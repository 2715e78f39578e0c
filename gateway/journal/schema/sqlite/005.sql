-- What happened before stays as it is; what happens from here on takes less room, and fewer pages.

-- Operations that are not settled, and nothing else: their rows leave when they are. `intent`: what was
-- recorded before it was sent, as JSON. The process that has the journal open holds their keys in memory.
ALTER TABLE op RENAME TO op_before;
CREATE TABLE op (
    id TEXT NOT NULL PRIMARY KEY,
    base TEXT NOT NULL,
    target TEXT NOT NULL,
    type TEXT NOT NULL,
    operation TEXT NOT NULL,
    resource TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    removes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'doubt', 'pending', 'held', 'dead')),
    reason TEXT,
    due TEXT NOT NULL DEFAULT '',
    fence INTEGER NOT NULL,
    owner TEXT NOT NULL,
    lease_until TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    opened TEXT NOT NULL,
    intent TEXT NOT NULL
);
INSERT INTO op
SELECT id, base, target, type, operation, resource, correlation_id, removes, state, reason, due, fence, owner,
       lease_until, attempts, opened,
       json_object('keys', json(keys), 'target_id', target_id, 'wanted', json(wanted),
                   'original', json(original), 'state', becomes, 'members', json(members))
FROM op_before WHERE state <> 'closed' ORDER BY rowid;

-- People who were removed, as far as the brake may have to count them.
CREATE TABLE removal (
    target TEXT NOT NULL,
    resource TEXT NOT NULL,
    opened TEXT NOT NULL,
    closed TEXT NOT NULL
);
INSERT INTO removal
SELECT target, coalesce(nullif(resource, ''), id), opened, closed
FROM op_before
WHERE state = 'closed' AND removes = 1 AND outcome IN ('applied', 'adopted', 'replayed') ORDER BY rowid;
CREATE INDEX removal_closed ON removal (target, closed);
-- Emptied first: dropping a full table keeps all its pages in memory until it is done.
DELETE FROM op_before;
DROP TABLE op_before;
DROP TABLE op_key;

-- Links are longer than an index page likes. `own`: the entry has our id, so that no other index is needed to
-- find it. `seen` as an array: what differs from `sent`, and which of its names are not there.
ALTER TABLE link RENAME TO link_before;
CREATE TABLE link (
    resource INTEGER NOT NULL,
    target TEXT NOT NULL,
    type TEXT NOT NULL,
    target_id TEXT,
    own INTEGER NOT NULL,
    sent TEXT NOT NULL,
    seen TEXT,
    PRIMARY KEY (resource, target)
);
INSERT INTO link
SELECT l.resource, l.target, l.type, l.target_id, l.target_id IS r.id, l.sent, l.seen
FROM link_before AS l JOIN resource AS r ON r.key = l.resource ORDER BY l.resource, l.target;
DELETE FROM link_before;
DROP TABLE link_before;
CREATE INDEX link_entry ON link (target, type, target_id) WHERE own = 0 AND target_id IS NOT NULL;

-- The personal values of an event are in its row: a salt and a value, or null and a digest, for each. Null:
-- the event is of an older release, its values are in `event_value`. Events are in order of time.
ALTER TABLE event ADD COLUMN personal TEXT;
DROP INDEX event_published;
