"""Files of events, NDJSON or CSV, into the log. Of a file of any size no more than two batches are in memory."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader, FileIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self, cast

import orjson
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from core.errors import InvalidEvent, Unavailable
from core.event import Trust
from core.keys import Key
from core.log.port import EVENTS, Log, Position, Positions, Record
from core.metrics import EVENTS_ACCEPTED
from ingest.layout import Layout
from ingest.lines import SAMPLE_BYTES, Line, Source, csv_records, ndjson
from ingest.receive import Receiver

BATCH_LINES_MAX = 1_000
STDIN = "-"


class Form(StrEnum):
    """How a file is written."""

    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is: bytes read, events that the log has, lines rejected."""

    bytes_done: int
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a file.

    *ends* has, by partition, the position after its last event: a group that has committed these has taken the whole
    file. *rejects* is where the rejected lines are, `None` when there are none.
    """

    lines: int
    accepted: int
    rejected: int
    ends: Positions
    rejects: Path | None


def ingest_file(
    name: str,
    *,
    receiver: Receiver,
    key: Key,
    log: Log,
    form: Form | None = None,
    layout: Layout = Layout(),  # noqa: B008 - it is frozen
    progress: Callable[[Progress], None] = lambda _: None,
    patience_seconds: float = 30.0,
) -> Report:
    """Append the events of the file *name* (`-`: standard input) to the log, in the name of *key*.

    Without a *form* the name's ending decides, and then the first byte. Rejected lines go to `NAME.rejected.ndjson`,
    which replaces one of before. Doing it again does no harm: the events have their ids, or get the same ones. Raises
    `InvalidEvent` when the header of a CSV file cannot be understood: then nothing was appended. Raises `Unavailable`
    when the log failed for *patience_seconds*: the file is then to be ingested again.
    """
    with ExitStack() as stack:
        source, lines = read(name, stack, form, layout, receiver.namespaces)
        rejects = stack.enter_context(_Rejects(Path(f"{'stdin' if name == STDIN else name}.rejected.ndjson")))
        appends = stack.enter_context(_Appends(log, key.trust, patience_seconds))
        while batch := list(islice(lines, BATCH_LINES_MAX)):
            appends.submit(_received(batch, receiver, key, rejects))
            progress(Progress(source.bytes_done, appends.accepted, rejects.count))
        appends.settle()
        progress(Progress(source.bytes_done, appends.accepted, rejects.count))
        written = rejects.path if rejects.count else None
        return Report(appends.accepted + rejects.count, appends.accepted, rejects.count, appends.ends, written)


def read(
    name: str, stack: ExitStack, form: Form | None, layout: Layout, namespaces: Mapping[str, object]
) -> tuple[Source, Iterator[Line]]:
    """Open the file *name* for as long as *stack*, and return it with its lines, not read yet."""
    source = Source(opened(name, stack), Path(name).name)
    in_form = csv_records if (form or _form(name, source)) is Form.CSV else ndjson
    return source, in_form(source, layout, namespaces)


def opened(name: str, stack: ExitStack) -> BufferedReader:
    """Open the file *name* (`-`: standard input) for as long as *stack*."""
    if name == STDIN:
        return cast("BufferedReader", sys.stdin.buffer)
    return stack.enter_context(BufferedReader(FileIO(name), SAMPLE_BYTES))


def _form(name: str, source: Source) -> Form:
    match Path(name).suffix.lower():
        case ".csv":
            return Form.CSV
        case ".ndjson" | ".jsonl":
            return Form.NDJSON
    return Form.NDJSON if source.first_byte() == b"{" else Form.CSV


def _received(lines: Sequence[Line], receiver: Receiver, key: Key, rejects: "_Rejects") -> Sequence[Record]:
    records = []
    for line in lines:
        try:
            if isinstance(line.document, InvalidEvent):
                raise line.document
            records.append(receiver.receive(line.document, key)[1])
        except InvalidEvent as error:
            rejects.write(line, error)
    return records


class _Rejects:
    """The file of rejected lines; there is none before the first of them. It names people: nobody else may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None

    def write(self, line: Line, error: InvalidEvent) -> None:
        if self._file is None:
            self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self.count += 1
        rejected = {
            "line": line.number,
            "code": error.code,
            "detail": error.detail,
            "pointer": error.pointer,
            "event": line.original.decode(errors="replace").rstrip("\r\n"),
        }
        self._file.write(orjson.dumps(rejected, option=orjson.OPT_APPEND_NEWLINE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._file is not None:
            self._file.close()


class _Appends:
    """Appends batches, one at a time, in a thread of its own: while one is on its way, the next is read."""

    def __init__(self, log: Log, trust: Trust, patience_seconds: float) -> None:
        self.accepted = 0
        self.ends: dict[int, Position] = {}
        self._log = log
        self._trust = trust
        self._retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            stop=stop_after_delay(patience_seconds),
            reraise=True,
        )
        self._thread = ThreadPoolExecutor(1, "append")
        self._on_its_way: Future[Sequence[tuple[int, Position]]] | None = None

    def submit(self, records: Sequence[Record]) -> None:
        """Send *records* on their way, once those before them have arrived."""
        self.settle()
        if records:
            self._on_its_way = self._thread.submit(self._retrying, self._log.append, EVENTS, records)

    def settle(self) -> None:
        """Wait for what is on its way; raises `Unavailable` when it did not arrive."""
        if self._on_its_way is None:
            return
        stored = self._on_its_way.result()
        self._on_its_way = None
        self.accepted += len(stored)
        self.ends |= {partition: Position(last + 1) for partition, last in dict(stored).items()}
        EVENTS_ACCEPTED.labels(self._trust).inc(len(stored))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._thread.shutdown()
