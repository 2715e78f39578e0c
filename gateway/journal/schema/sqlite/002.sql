-- What shall become of a group's members, by our ids: emptied when the operation is closed.
ALTER TABLE op ADD COLUMN members TEXT;

-- Who is in which group, as the provider last said. A row is delivered or not; `due`: not, and it could be.
DROP TABLE member;
CREATE TABLE member (
    seq INTEGER PRIMARY KEY, -- the order they came in
    "group" INTEGER NOT NULL,
    target TEXT NOT NULL,
    member TEXT NOT NULL,    -- our id
    element TEXT,            -- what the provider said beside the id, as JSON
    delivered INTEGER NOT NULL,
    due INTEGER NOT NULL,
    UNIQUE ("group", target, member)
);
CREATE INDEX member_of ON member (member, target);
CREATE INDEX member_due ON member (target, "group") WHERE due = 1;
