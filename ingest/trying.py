"""Trying a file out: everything is read and received as for the log, and nothing is appended."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from core.errors import InvalidEvent
from core.event import Event, EventUid, Role
from core.identifier import Drop
from core.keys import Key
from ingest.files import BATCH_LINES_MAX, Form, read
from ingest.layout import Layout
from ingest.receive import Receiver

EXAMPLES_MAX = 3
SAMPLE_EVENTS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Example:
    """A line that would be rejected: where it begins, and why. Nothing of what stands there."""

    line: int
    detail: str
    pointer: str


@dataclass(slots=True)
class Trial:
    """What would become of a file.

    *rejected* counts lines by code and *examples* has the first of each; *dropped* counts identifiers that name nobody by
    namespace and reason, *hints* those that link nothing, by namespace. *sample* are the first events, by which it can be
    said what the whole would join.
    """

    valid: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    dropped: Counter[tuple[str, Drop]] = field(default_factory=Counter)
    hints: Counter[str] = field(default_factory=Counter)
    sample: dict[EventUid, Event] = field(default_factory=dict)

    @property
    def is_sampled(self) -> bool:
        """Whether there are more events than the sample may have."""
        return self.valid > SAMPLE_EVENTS_MAX

    def add(self, event: Event) -> None:
        """Count an event that would be taken."""
        self.valid += 1
        self.dropped.update((each.namespace, each.reason) for each in event.dropped)
        self.hints.update(each.namespace for each in event.identifiers if each.role is Role.HINT)
        if len(self.sample) < SAMPLE_EVENTS_MAX:
            self.sample.setdefault(event.uid, event)

    def refuse(self, line: int, error: InvalidEvent) -> None:
        """Count a line that would be rejected."""
        self.rejected[error.code] += 1
        examples = self.examples.setdefault(error.code, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(Example(line, error.detail, error.pointer))


def try_file(
    name: str,
    *,
    receiver: Receiver,
    key: Key,
    form: Form | None = None,
    layout: Layout = Layout(),  # noqa: B008 - it is frozen
    progress: Callable[[int], None] = lambda _: None,
) -> Trial:
    """Say what would become of the file *name* (`-`: standard input), in the name of *key*; *progress* gets the bytes read.

    Raises `InvalidEvent` when the header of a CSV file cannot be understood.
    """
    trial = Trial()
    with ExitStack() as stack:
        source, lines = read(name, stack, form, layout, receiver.namespaces)
        for number, line in enumerate(lines):
            if number % BATCH_LINES_MAX == 0:
                progress(source.bytes_done)
            try:
                if isinstance(line.document, InvalidEvent):
                    raise line.document
                trial.add(receiver.receive(line.document, key)[0])
            except InvalidEvent as error:
                trial.refuse(line.number, error)
    return trial
