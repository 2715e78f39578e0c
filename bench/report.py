"""Runs as files, and the page made of them: a table for each section, one run beside the other."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.cases import CASES

Row = dict[str, Any]
Run = dict[str, Any]  # label, machine, sections with their rows, and the machine's load before each


@dataclass(frozen=True, slots=True)
class Section:
    """One table: the columns that name a row, then what was measured, each with its heading."""

    title: str
    about: str
    keys: Mapping[str, str]
    values: Mapping[str, str]


COST: Final = {
    "gateway_us": "CPU µs",
    "gateway_rate": "per s",
    "gateway_p50": "p50 ms",
    "gateway_p99": "p99 ms",
}
SECTIONS: Final[Mapping[str, Section]] = {
    "cases": Section(
        "Beside a bare pass-through",
        "The ratio is the CPU that a bare aiohttp pass-through takes for a request, divided by the gateway's:"
        " 1 is as cheap. Both are measured in turn, and the rounds' median counts. With `embedded` the"
        " gateway calls no service; there the pass-through is only a yardstick.",
        {"target": "target", "case": "request", "connections": "connections"},
        {
            "ratio": "ratio",
            **COST,
            "bare_us": "bare: CPU µs",
            "bare_rate": "bare: per s",
            "bare_p50": "bare: p50 ms",
            "bare_p99": "bare: p99 ms",
        },
    ),
    "startup": Section(
        "Start-up",
        "`serve`: until `/healthz` answers 200, and its memory a second later. Commands: from start to end"
        " while the gateway runs.",
        {"what": "command"},
        {"wall_ms": "ms", "cpu_ms": "CPU ms", "memory_mib": "MiB"},
    ),
    "storage": Section(
        "Bytes of a create",
        "By how much the journal (and the directory, where the target is one) grows, once its log is emptied;"
        " and what the process writes in all, its log included: more, because whole pages are written.",
        {"target": "target", "connections": "connections"},
        {"journal_b": "journal", "directory_b": "directory", "written_b": "written"},
    ),
    "flush": Section(
        "A disk whose flush takes 5 ms",
        "Creates onto a `scim` target that keeps nothing on a disk, so all that waits is the journal.",
        {"connections": "connections"},
        {name: COST[name] for name in ("gateway_rate", "gateway_p50", "gateway_p99", "gateway_us")},
    ),
    "growth": Section(
        "Creates on a journal that holds something",
        "At 16 connections, onto a `scim` target. Ready: start-up on a journal of the first release, with"
        " what it takes to bring that up to date.",
        {"events": "events", "people": "people"},
        {**COST, "ready_ms": "ready ms", "memory_mib": "MiB"},
    ),
    "import": Section(
        "A first import",
        "At 16 connections, onto `embedded`: each line is a tenth, with the highest memory that was seen.",
        {"imported": "people so far"},
        {"memory_mib": "MiB", **COST, "journal_mib": "journal MiB"},
    ),
    "illness": Section(
        "Ten targets, four of them sick",
        "Changed PUTs to six `scim` targets that are well, 24 connections with one each 500 ms, while as many"
        " go to four others, which are well, too, or: hang, answer 503, send a byte a second, reset every"
        " connection. All well and four sick in turn, a gateway of its own each; medians of the rounds, and"
        " the ratio is that of p99 in a round to the one before it. Calls: what the target that answers 503"
        " gets for one request of its provider; files and memory at their highest.",
        {"sick": "sick"},
        {
            "ratio": "ratio",
            "p50": "p50 ms",
            "p99": "p99 ms",
            "calls": "calls",
            "files": "files",
            "memory_mib": "MiB",
        },
    ),
    "database": Section(
        "A journal in PostgreSQL",
        "A gateway whose journal is a file and one whose journal is in PostgreSQL on the same machine, in"
        " turn, onto `scim`. The ratio is the gateway's CPU with the file divided by that with the database;"
        " the server's own comes on top, and may be another machine's.",
        {"case": "request", "connections": "connections", "journal": "journal"},
        {"ratio": "ratio", **COST, "server_us": "server: CPU µs"},
    ),
    "replicas": Section(
        "Two gateways over one database",
        "One and two in turn, 32 connections in all. The ratio is that of the requests a second. Senders,"
        " service, database and gateways share the machine's cores, so the CPU says more: what two gateways"
        " take for one request beside what one takes.",
        {"case": "request", "replicas": "gateways"},
        {"ratio": "ratio", **COST, "server_us": "server: CPU µs"},
    ),
    "database-growth": Section(
        "Growth in PostgreSQL",
        "Creates at 16 connections onto `scim`, on a database with so much in it already. The ratio is the"
        " CPU of gateway and server together beside that of the first line.",
        {"events": "events", "people": "people"},
        {"ratio": "ratio", **COST, "server_us": "server: CPU µs"},
    ),
    "trail": Section(
        "Questions to the trail",
        "Up to 100 events; over HTTP from a gateway that idles, and `audit query` from start to end.",
        {"events": "events", "question": "question"},
        {"found": "found", "http_ms": "HTTP ms", "query_ms": "`audit query` ms"},
    ),
    "console": Section(
        "Pages of the console",
        "As an auditor opens them, of a gateway that idles: the first time, then the median; and of that the"
        " gateway's share of the processor, which other work on the machine does not alter.",
        {"events": "events", "page": "page"},
        {"first_ms": "first ms", "page_ms": "ms", "cpu_ms": "CPU ms"},
    ),
}
NOTHING: Final = "–"
NUMBER: Final = "---:"


def render(runs: Sequence[Run]) -> str:
    """Return the page: where there are several runs, each value of each, in their order."""
    parts = ["# What `make bench` measured", "", *machines(runs)]
    for name, section in SECTIONS.items():
        tables = [run["sections"].get(name, []) for run in runs]
        if any(tables):
            loads = [run.get("loads", {}).get(name) for run in runs]
            about = f"{section.about} Load of the machine before: {cell(loads)}."
            parts += ["", f"## {section.title}", "", about, "", *table(section, tables)]
    return "\n".join(parts) + "\n"


def machines(runs: Sequence[Run]) -> list[str]:
    """Return a table of the machine that each run was made on."""
    names = list(dict.fromkeys(name for run in runs for name in run["machine"]))
    head = ["run", *names]
    rows = [[run["label"], *(shown(run["machine"].get(name)) for name in names)] for run in runs]
    order = f"Where a cell holds several values, they are {' → '.join(run['label'] for run in runs)}."
    return [*lines([head, ["---"] * len(head), *rows]), *(["", order] if len(runs) > 1 else [])]


def table(section: Section, tables: Sequence[Sequence[Row]]) -> list[str]:
    """Return one section's rows, those of the same name in one line; what nobody measured is left out."""
    found = [{name_of(section, row): row for row in rows} for rows in tables]
    names = list(dict.fromkeys(name for rows in found for name in rows))
    measured = [value for value in section.values if any(value in row for rows in tables for row in rows)]
    head = [*section.keys.values(), *(section.values[value] for value in measured)]
    rule = ["---"] * len(section.keys) + [NUMBER] * len(measured)
    body = [
        [
            *(shown(part) for part in name),
            *(cell([rows.get(name, {}).get(v) for rows in found]) for v in measured),
        ]
        for name in names
    ]
    return lines([head, rule, *body])


def name_of(section: Section, row: Row) -> tuple[Any, ...]:
    """Return what names a row, as it is shown."""
    case = CASES.get(row.get("case", ""))
    told = row if case is None else {**row, "case": case.title}
    return tuple(told.get(key) for key in section.keys)


def cell(values: Sequence[Any]) -> str:
    """Return the values of one place in each run."""
    return NOTHING if all(value is None for value in values) else " → ".join(map(shown, values))


def shown(value: Any) -> str:
    """Return a value for people."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(row)} |" for row in rows]


def merged(old: Run, new: Run) -> Run:
    """Return a run with what was measured anew in place of what was measured before, row by row."""
    sections = dict(old.get("sections", {}))
    for name, rows in new["sections"].items():
        known = {name_of(SECTIONS[name], row): row for row in sections.get(name, ())}
        sections[name] = list((known | {name_of(SECTIONS[name], row): row for row in rows}).values())
    return {**new, "loads": old.get("loads", {}) | new["loads"], "sections": sections}


def load_run(file: Path) -> Run:
    """Read a run; nothing where there is no such file."""
    found: Run = json.loads(file.read_text()) if file.exists() else {}
    return found


def save_run(file: Path, run: Run) -> None:
    """Write a run over what the file holds of the same rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(merged(load_run(file), run), indent=1) + "\n")
