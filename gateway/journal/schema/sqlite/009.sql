-- Alerts that administrators were told of and that are not over yet: who hears of trouble hears of its end,
-- whichever process sees it.
CREATE TABLE alert (
    name TEXT NOT NULL,
    target TEXT NOT NULL,    -- empty for none
    about TEXT NOT NULL,     -- what else it is about: a token, an address
    since TEXT NOT NULL,
    told TEXT NOT NULL,      -- when it was told last
    reason TEXT NOT NULL,
    PRIMARY KEY (name, target, about)
);
