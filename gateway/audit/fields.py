"""What an event of the audit trail says, field by field, and events as rows of CSV. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

FIELDS: Final[Mapping[str, str]] = {  # path -> what is there
    "id": "The event's own id.",
    "seq": "Its number in the trail: 1, 2, 3, without gaps.",
    "published": "When it was recorded: RFC 3339, UTC, always later than the event before it.",
    "event": "What was asked or done: `user.create`, `user.patch`, `group.replace`, `auth.refused`, …; "
    "`user.mirror` and `group.mirror`: what a target was told that follows another in a route.",
    "outcome.result": "What became of it: `applied`, `adopted`, `replayed`, `unchanged`, `out_of_scope` "
    "(remembered: the target is not to have it), `rejected`, `failed`, `pending` (kept here, and tried "
    "again), `deferred` (not kept: the provider comes again).",
    "outcome.status": "The HTTP status that the provider got; null where nobody waited for an answer.",
    "outcome.reason": "Why it was not done, in words.",
    "actor.type": "On whose word: `provider`, `auditor`, `helpdesk`, `operator`, `phonebook`, "
    "`administrator`, `gateway`, `unknown`.",
    "actor.name": "Their name in the configuration, or at the OpenID provider; of an administrator, the "
    "user of the machine; of the gateway, the part of it.",
    "actor.token": "Which of their tokens, never the token.",
    "client.ip": "The address that the request came from.",
    "client.user_agent": "What the client calls itself.",
    "target.name": "The target it was about.",
    "target.type": "`User`, `Group`, `Token`.",
    "target.id": "The gateway's id of the resource.",
    "target.user_name": "The userName of the person, or the displayName of the group.",
    "target.external_id": "The externalId that a refused request said; absent where it said none.",
    "diff.path": "What changed at the target; one entry for each change.",
    "diff.op": "`add`, `replace`, `remove`.",
    "diff.before": "The value before; null where there was none, and for passwords.",
    "diff.after": "The value after, as it was sent to the target.",
    "diff.rule": "The rule that made it.",
    "held": "What the gateway keeps and never sends: a list of paths.",
    "dropped": "What was left out: a list of paths.",
    "reasons.path": "Why a rule dropped a value: the path of each, which is in `dropped`, too; absent where "
    "none did.",
    "reasons.rule": "The rule that dropped it.",
    "reasons.reason": "What the rule could not use, without the value.",
    "attempts.n": "Each call to the target, from 1.",
    "attempts.status": "The HTTP status that it answered; null where it did not.",
    "attempts.ms": "How long that took, in milliseconds.",
    "attempts.reason": "What it answered, or what went wrong, without values of people; absent where it did "
    "as asked.",
    "correlation_id": "Names the request in every log line, event, call and answer.",
    "timing.total_ms": "How long the whole took, in milliseconds.",
    "level": "`masked` or `hashed` where the target's `audit` says so; absent where values are whole.",
    "subject": "A keyed digest that stands for the person or group, where their name is not told.",
    "repeated": "`auth.refused`, `request.refused`, `audit.read`: how many more alike there were since the "
    "one before, without an event of their own.",
    "provider": "`token.…`: whose token that is.",
    "config.digest": "`config.loaded`, `config.reloaded`: SHA-256 of the configuration's file, and of the "
    "tables' files that it names.",
    "config.before": "`config.reloaded`: that of the configuration before it.",
    "config.restart": "`config.reloaded`: keys that the file has otherwise, and that only a start takes.",
    "config.presets": "`config.loaded`, `config.reloaded`: each target's preset with its revision.",
    "read.fields": "`audit.read`: the fields that the filter named.",
    "read.q": "`audit.read`: whether a text was looked for.",
    "people": "`reconcile`, `repair`, `resync`: how many people were looked at.",
    "counts": "`reconcile`, `repair`, `resync`: how many of them are in which state.",
    "until": "`target.paused`: when it ends by itself; null: when somebody resumes it.",
    "export.format": "`export`: `ndjson` or `csv`.",
    "export.since": "`export`: from when.",
    "export.until": "`export`: until when.",
    "export.filter": "`export`: the filter.",
    "export.q": "`export`: the text that was looked for.",
    "export.last": "`export`: the newest event that was there, by its `seq`.",
    "erased.events": "`erase`: the events whose personal values were removed, by their `seq`.",
    "erased.originals": "`erase`: the targets whose original was removed.",
    "prev": "The hash of the event before it; empty for the first.",
    "hash": "SHA-256 over `prev` and the event, personal values as their salted digests.",
}
NAMES: Final = frozenset(FIELDS) | {path.partition(".")[0] for path in FIELDS}  # that a filter may use
CSV_PATHS: Final = (  # the columns of CSV
    "seq",
    "published",
    "event",
    "outcome.result",
    "outcome.status",
    "outcome.reason",
    "actor.type",
    "actor.name",
    "actor.token",
    "client.ip",
    "client.user_agent",
    "target.name",
    "target.type",
    "target.id",
    "target.user_name",
    "diff",
    "dropped",
    "held",
    "attempts",
    "correlation_id",
    "id",
    "prev",
    "hash",
)


FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
)  # what a spreadsheet would run
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def cell(value: Any) -> str:
    """Return a value as one line that no spreadsheet runs; control characters become `\\x1b` and the like."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    quoted = f"'{value}" if value.startswith(FORMULA) else value
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", quoted)


def at(row: Any, path: str) -> Any:
    """Return what a row has at names joined by dots, or None."""
    for name in path.split("."):
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def render_csv(rows: Iterable[Mapping[str, Any]], paths: Sequence[str]) -> str:
    """Return CSV with the paths as titles; lines end in CR LF (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)  # no cell ends early, whatever parts them
    writer.writerow(paths)
    writer.writerows([cell(at(row, path)) for path in paths] for row in rows)
    return out.getvalue()
