"""Everybody on a target, page after page: nobody twice, and nobody left out in silence."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Final

from gateway.flow.target_port import Attributes, Contradiction, Page, Query

SHOWS_AGAIN: Final = "on its next page it shows what it has shown before"
SHOWS_FEWER: Final = (
    "it says that it has {} entries, and shows {}: if its totalResults are wrong, set `totals`"
)


async def walk(
    ask: Callable[[Query], Awaitable[Page]], size: int, *, members: bool = False
) -> AsyncIterator[tuple[Attributes, ...]]:
    """Yield what each page has that no page before it had; of everybody sixteen bytes are kept.

    Raises Contradiction where the pages end before all are seen that the target says it has; what it says may
    change on the way.
    """
    seen, least, start = set[bytes](), None, 1
    while True:
        page = await ask(Query(None, start, size, members, rest=True))
        news = tuple(_unseen(page.entries, seen))
        yield news
        start += len(page.entries)
        if page.counted:
            least = page.total if least is None else min(least, page.total)
        if not page.entries or (page.counted and start > page.total):
            break
        if not news:
            raise Contradiction(SHOWS_AGAIN)
    if least is not None and len(seen) < least:
        raise Contradiction(SHOWS_FEWER.format(least, len(seen)))


def _unseen(entries: Iterable[Attributes], seen: set[bytes]) -> Iterator[Attributes]:
    for entry in entries:
        if (mark := _fingerprint(entry["id"])) not in seen:
            seen.add(mark)
            yield entry


def _fingerprint(id: str) -> bytes:
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
