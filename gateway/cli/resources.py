"""Resources from a file or standard input, one at a time, JSON or a sheet, and what explains them."""

import codecs
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO

from gateway.cli.output import ExitStatus, Stop
from gateway.cli.sheets import NO_SHEET, FoundResource, Knows, Sheet, read_headings, read_sheet
from gateway.errors import GatewayError
from gateway.scim.jsontext import parse_json
from gateway.users import why

if TYPE_CHECKING:
    from gateway.admin.explained import Explanation
    from gateway.mapping.target import TargetMapping
    from gateway.settings import Settings

STDIN: Final = "-"
CHUNK: Final = 64 * 1024  # characters, or bytes, that are read at once
SNIFFED: Final = 1024 * 1024  # bytes by which the encoding is known of what can be read only once
LARGEST: Final = 1024 * 1024  # characters of one resource in JSON
BOMS: Final = (  # the longer first: one begins as another
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNDEFINED: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # by Windows-1252


def read_resources(
    source: str, sheet: Sheet = NO_SHEET, encoding: str | None = None
) -> Iterator[FoundResource]:
    """Yield the resources of a file, `-` for standard input; raises Stop where they cannot be read.

    `encoding` None: it is told from the bytes.
    """
    name = "standard input" if source == STDIN else source
    if encoding is not None:
        _check_encoding(encoding)
    try:
        with opened_text(source, encoding) as text:
            yield from _resources(text, sheet)
    except UnicodeDecodeError as error:
        cure = "name its encoding with --encoding, such as windows-1252"
        raise Stop(f"{name}: is not {error.encoding} text: {cure}", ExitStatus.WRONG) from error
    except OSError as error:
        raise Stop(f"{name}: cannot be read: {why(error, source)}", ExitStatus.WRONG) from error
    except (ValueError, GatewayError) as error:
        raise Stop(f"{name}: {error}", ExitStatus.WRONG) from error


@contextmanager
def opened_text(source: str, encoding: str | None = None) -> Iterator[TextIO]:
    """Open a file, or standard input, as text, whose line ends are as they were; raises OSError."""
    with ExitStack() as stack:
        raw = sys.stdin.buffer if source == STDIN else stack.enter_context(Path(source).open("rb"))
        head = raw.read(SNIFFED)
        chosen = _codec(encoding) if encoding else _sniffed(head, raw)
        bytes_ = io.BufferedReader(_Resumed(head, raw))
        yield io.TextIOWrapper(bytes_, chosen, newline="")


def sheet_of(knows: Knows, columns: Path | None, delimiter: str | None) -> Sheet:
    """Return how a sheet is to be read; `columns`: which heading is which attribute. Raises Stop."""
    mark = {"tab": "\t", "\\t": "\t"}.get((delimiter or "").casefold(), delimiter)
    if mark is not None and (len(mark) != 1 or mark in '"\r\n'):
        raise Stop("--delimiter: must be one character, or tab", ExitStatus.WRONG)
    if columns is None:
        return Sheet(knows, mark)
    try:
        with opened_text(str(columns)) as lines:
            return Sheet(knows, mark, read_headings(lines))
    except OSError as error:
        raise Stop(f"{columns}: cannot be read: {why(error, columns)}", ExitStatus.WRONG) from error
    except ValueError as error:
        raise Stop(f"{columns}: {error}", ExitStatus.WRONG) from error


def _check_encoding(name: str) -> None:
    try:
        b" ".decode(_codec(name), errors="ignore")
    except (LookupError, UnicodeError) as error:  # some are for other things than text, such as idna
        known = "utf-8, utf-16, windows-1252, latin-1"
        raise Stop(f"--encoding: {name}: is not known; usual ones are {known}", ExitStatus.WRONG) from error


def _codec(name: str) -> str:
    codec = codecs.lookup(name).name
    return "utf-8-sig" if codec == "utf-8" else codec


class _Resumed(io.RawIOBase):
    """Bytes whose beginning was read before."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        chunk = self._head[:size] if self._head else self._rest.read(size)
        self._head = self._head[size:]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _sniffed(head: bytes, raw: BinaryIO | Any) -> str:
    """Return the encoding of bytes by how they begin, and of a file by all of it."""
    for bom, encoding in BOMS:
        if head.startswith(bom):
            return encoding
    beginning = head[:CHUNK]
    for odd, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if beginning[odd::2].count(0) > len(beginning) // 4:  # half of them are, of what is mostly ASCII
            return encoding
    if _is_utf8(head, raw):
        return "utf-8"
    return "latin-1" if UNDEFINED.search(head) else "windows-1252"


def _is_utf8(head: bytes, raw: Any) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
        if not raw.seekable():
            return True
        start = raw.tell()
        try:
            while chunk := raw.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        finally:
            raw.seek(start)
    except UnicodeDecodeError:
        return False
    return True


def _resources(text: TextIO, sheet: Sheet) -> Iterator[FoundResource]:
    beginning = text.read(CHUNK)
    while beginning and not beginning.strip():
        more = text.read(CHUNK)
        beginning = beginning + more if more else ""
    if not beginning:
        raise ValueError("holds no resource")
    if beginning.lstrip()[0] in "[{":
        return _parsed(Scanner().resources(chain([beginning], iter(lambda: text.read(CHUNK), ""))))
    return read_sheet(chain(io.StringIO(beginning + text.readline(), newline=""), text), sheet)


def _parsed(found: Iterator["Written"]) -> Iterator[FoundResource]:
    for row, where, text in found:
        try:
            document = parse_json(text.encode(), refuse_duplicates=True)
        except GatewayError as error:
            raise ValueError(f"{where}{error}") from error
        yield FoundResource(row, document)


Written = tuple[int, str, str]  # its row, where it begins for an error, its JSON

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*("?)|[{}\[\]]', re.DOTALL)
_LIST: Final = '"resources"'


class Scanner:
    """Finds resources in JSON as it is read: one after another, in an array, or in ListResponses.

    At most one resource is in memory.
    """

    def __init__(self) -> None:
        self._buffer = ""
        self._at = 0  # scanned up to here
        self._line = 1  # that the buffer begins in
        self._depth = 0
        self._within = 0  # the depth at which resources stand: 1 in an array, 2 in a ListResponse
        self._start: int | None = None  # of the resource that is open
        self._is_list = False  # the last token was the name of the list of a ListResponse
        self._count = 0

    def resources(self, texts: Iterator[str]) -> Iterator[Written]:
        """Yield them; raises ValueError for what is no JSON object where one belongs."""
        for text in texts:
            self._buffer += text
            while (token := _TOKEN.search(self._buffer, self._at)) and token[1] != "":
                self._check_gap(token.start())
                end, mark = token.end(), token[0]
                self._at = end
                if mark[0] == '"':
                    self._see_text(mark)
                elif mark in "{[":
                    self._open(mark, token.start())
                else:
                    self._depth -= 1
                    if self._start is not None and self._depth == self._within:
                        yield self._closed(end)
                    elif self._depth < self._within:
                        self._within = 0
            self._forget()
        if self._start is not None or self._depth or self._buffer[self._at :].strip():
            yield self._cut_off()

    def _see_text(self, text: str) -> None:
        if self._start is None and self._depth == self._within:
            raise ValueError(f"line {self._line_of(self._at)}: a text stands where a resource belongs")
        self._is_list = self._depth == 1 and self._within == 0 and text.casefold() == _LIST

    def _open(self, mark: str, start: int) -> None:
        is_list, self._is_list = self._is_list, False
        if is_list and mark == "[":
            self._within, self._start = 2, None
        elif self._start is None and self._depth == self._within:
            if mark == "{":
                self._start = start
            elif self._depth == 0:
                self._within = 1
            else:
                raise ValueError(f"line {self._line_of(start)}: a list stands where a resource belongs")
        self._depth += 1

    def _closed(self, end: int) -> Written:
        assert self._start is not None
        self._count += 1
        text, line = self._buffer[self._start : end], self._line_of(self._start)
        self._start = None
        return (self._count if self._within else line), f"line {line}: ", text

    def _cut_off(self) -> Written:
        """Return what ends in the middle, for its error."""
        start = self._at if self._start is None else self._start
        line, text = self._line_of(start), self._buffer[start:].strip()
        return self._count + 1, f"line {line}: " if line > 1 else "", text or "[" * self._depth

    def _check_gap(self, end: int) -> None:
        is_between = self._start is None and self._depth == self._within
        if is_between and self._buffer[self._at : end].strip(", \t\r\n" if self._within else " \t\r\n"):
            raise ValueError(f"line {self._line_of(end)}: what stands before this is no JSON object")

    def _forget(self) -> None:
        cut = self._at if self._start is None else self._start
        if len(self._buffer) - cut > LARGEST:
            line = self._line_of(cut)
            raise ValueError(f"line {line}: what begins here does not end within {LARGEST} characters")
        self._line = self._line_of(cut)
        self._buffer = self._buffer[cut:]
        self._at -= cut
        self._start = None if self._start is None else 0

    def _line_of(self, at: int) -> int:
        return self._line + self._buffer.count("\n", 0, at)


def explainer(
    settings: "Settings", name: str, mapping: "TargetMapping", show_values: bool = False
) -> Callable[[Mapping[str, Any]], "Explanation"]:
    """Return what explains to a target a resource as its provider sends it."""
    from gateway.admin.explained import explained
    from gateway.settings.compiled import dialect_of
    from gateway.targets.rest.explanation import with_request

    target, dialect = settings.targets[name], dialect_of(settings, name)
    if (database := target.sql) is not None:
        from gateway.targets.sql.statements import with_statements  # SQLAlchemy, which not everybody has

        return lambda resource: with_statements(
            explained(name, mapping, dialect.document(resource), show_values=show_values),
            database,
            target.url,
        )
    return lambda resource: with_request(
        explained(name, mapping, dialect.document(resource), show_values=show_values), target.rest, target.url
    )
