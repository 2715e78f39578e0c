"""The files of a journal: the months that have left it, and itself."""

from glob import escape
from pathlib import Path
from typing import Final

MONTH: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]"  # as in 2026-03: in order of their names


def archives_of(journal: Path) -> tuple[Path, ...]:
    """Return the files with the months that have left the journal, the oldest first."""
    return tuple(sorted(journal.parent.glob(f"{escape(journal.name)}.{MONTH}.archive")))
