"""Lines of NDJSON and records of CSV, one at a time, whatever is in them."""

import codecs
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader

import orjson

from core.errors import InvalidEvent
from core.event import EVENT_BYTES_MAX
from ingest.layout import Columns, Document, Layout, constants, zoned

LINE_BYTES_MAX = EVENT_BYTES_MAX
SAMPLE_BYTES = 1 << 20  # by which the encoding of a file is told

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a file: the number, from 1, of the line where it begins, what stands there in UTF-8 (nothing of a line
    too long to be kept), and what that says, or why it says nothing.
    """

    number: int
    original: bytes
    document: bytes | Document | InvalidEvent


class Source:
    """A file as lines of at most 64 KiB, a byte order mark before them left out. Counts the bytes that were read.

    *encoding* is UTF-8, or GB18030 (which GBK and GB2312 are parts of) where that is what the beginning of the file reads as.
    """

    def __init__(self, file: BufferedReader, name: str = "") -> None:
        self.name = name
        self._file = file
        sample = file.peek(SAMPLE_BYTES)
        self.encoding = "utf-8" if sample.startswith(_BOM) else _encoding(sample)
        self.bytes_done = len(file.read(len(_BOM))) if sample.startswith(_BOM) else 0

    def first_byte(self) -> bytes:
        """Return the first byte of what is left, and leave it there."""
        return self._file.peek(1)[:1]

    def __iter__(self) -> Iterator[bytes | None]:
        """Return each line with its end, and `None` for one that is too long."""
        while line := self._file.readline(LINE_BYTES_MAX + 2):
            self.bytes_done += len(line)
            if len(line.rstrip(b"\r\n")) <= LINE_BYTES_MAX:
                yield line
            else:
                self._skip_rest(line)
                yield None

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._file.readline(LINE_BYTES_MAX)
            self.bytes_done += len(line)


def _encoding(sample: bytes) -> str:
    """Tell the encoding by most of the lines that tell one: a few damaged ones do not turn a file of UTF-8 into another."""
    telling = [line for line in sample.split(b"\n") if not line.isascii()]
    wrong = [line for line in telling if not _reads(line, "utf-8")]
    is_other = 2 * len(wrong) > len(telling) and all(_reads(line, "gb18030") for line in wrong)
    return "gb18030" if is_other else "utf-8"


def _reads(line: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(line)  # the last line may be cut within a character
    except UnicodeDecodeError:
        return False
    return True


def ndjson(source: Source, layout: Layout, namespaces: Mapping[str, object]) -> Iterator[Line]:
    """Return the lines of *source* that are not blank. Constants of *layout* are whole fields here."""
    given = constants(layout, namespaces)
    for number, line in enumerate(source, start=1):
        if line is None:
            yield Line(number, b"", _too_long())
        elif original := line.strip():
            yield Line(number, original, _completed(original, given, layout.zone) if given or layout.zone else original)


def _completed(original: bytes, given: Document, zone: str) -> bytes | Document:
    try:
        document = orjson.loads(original)
    except orjson.JSONDecodeError:
        return original
    return zoned({**given, **document}, zone) if isinstance(document, dict) else original


def csv_records(source: Source, layout: Layout, namespaces: Mapping[str, object]) -> Iterator[Line]:
    """Return the records of *source* below its header. Raises `InvalidEvent` when the header cannot be understood."""
    feed = _Feed(source)
    reader = csv.reader(feed, strict=True)
    columns = Columns(_header(reader), layout, namespaces)
    while True:
        feed.begin()
        try:
            row = next(reader, None)
            if row is None:
                return
            if row:
                for document in columns.documents(row, {"file": source.name, "line": feed.first}):
                    yield Line(feed.first, feed.original, document)
        except csv.Error:
            yield Line(feed.first, feed.original, InvalidEvent("invalid_csv", "a quotation mark is out of place"))
        except InvalidEvent as error:
            yield Line(feed.first, feed.original, error)


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error:
        raise InvalidEvent("invalid_csv", "the header cannot be read") from None


class _Feed:
    """What the CSV reader reads from: it may take several lines for a record, up to the length of one."""

    def __init__(self, source: Source) -> None:
        self._lines = iter(source)
        self._encoding = source.encoding
        self._number = 0
        self.begin()

    def begin(self) -> None:
        """Begin a record."""
        self.first = self._number + 1
        self.original = b""

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._number += 1
        if line is None or len(self.original) + len(line) > LINE_BYTES_MAX + 2:
            self.original = b""
            raise _too_long()
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError:
            self.original += line
            name = self._encoding
            raise InvalidEvent(f"invalid_{name.replace('-', '')}", f"this is not {name.upper()}") from None
        self.original += text.encode()
        return text


def _too_long() -> InvalidEvent:
    return InvalidEvent("too_large", f"a line has at most {LINE_BYTES_MAX} bytes")
