"""What a terminal takes: so many columns, colours, and a line that tells how far something is."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol, TextIO, TypeVar

T = TypeVar("T")

VARIABLE: Final = "SCIM_GATEWAY_CONFIG"  # of the environment: another configuration

EVERY: Final = 1.0  # seconds between two looks at how far it is
ERASED: Final = "\r\x1b[K"  # the line, and back to its beginning

GREEN, YELLOW, RED, BOLD, FAINT = "32", "33", "31", "1", "2"  # as terminals number them (ECMA-48, SGR)
STATES: Final[Mapping[str, str]] = {  # what a state is called -> its colour; others have none
    **dict.fromkeys(("ok", "active", "applied", "adopted", "repaired", "closed"), GREEN),
    **dict.fromkeys(("open", "half-open", "pending", "deferred", "doubt", "held", "dropped"), YELLOW),
    **dict.fromkeys(("failing", "failed", "rejected", "refused", "dead", "expired", "revoked"), RED),
    **dict.fromkeys(("missing", "changed", "unknown", "still_active", "differs"), YELLOW),
}


def is_apart(streams: bool) -> bool:
    """Return whether standard error is a terminal on which rows, where they stream, do not appear as well."""
    return sys.stderr.isatty() and not (streams and sys.stdout.isatty())


class Painter(Protocol):
    """Gives a text a colour, or leaves it as it is."""

    def __call__(self, text: str, colour: str | None) -> str: ...


def width_of(out: TextIO) -> int | None:
    """Return how many columns a line may have on a terminal; None elsewhere, where each row is one line."""
    return shutil.get_terminal_size().columns if out.isatty() else None


def painter_of(out: TextIO) -> Painter:
    """Return what paints for this output: nothing for who is no terminal, or said NO_COLOR."""
    is_wanted = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return _painted if is_wanted else _plain


def _painted(text: str, colour: str | None) -> str:
    return text if colour is None or not text else f"\x1b[{colour}m{text}\x1b[0m"


def _plain(text: str, colour: str | None) -> str:
    return text


class ProgressLine:
    """Tells people on standard error how far something is, on one line that is gone at the end.

    `what` has {} where the number belongs. Without `shown` only where it is a terminal; a second passes
    before anything is told.
    """

    def __init__(
        self, what: str, shown: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._is_shown = sys.stderr.isatty() if shown is None else shown
        self._clock = clock
        self._told = clock()
        self._has_line = False

    def see(self, number: int) -> None:
        """Tell, where it is time again, how far it is."""
        if self._is_shown and (now := self._clock()) - self._told >= EVERY:
            self._told = now
            self.tell(self._what.format(f"{number:,}"))

    def tell(self, line: str) -> None:
        """Show a line in place of the one before."""
        if self._is_shown:
            self._has_line = sys.stderr.isatty()
            start, end = (ERASED, "") if self._has_line else ("", "\n")
            print(f"{start}{line}", file=sys.stderr, end=end, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._has_line:
            print(ERASED, file=sys.stderr, end="", flush=True)
            self._has_line = False

    def over(self, things: Iterable[T]) -> Iterator[T]:
        """Yield the things, and tell how many have passed."""
        try:
            for number, thing in enumerate(things, 1):
                self.see(number)
                yield thing
        finally:
            self.clear()
