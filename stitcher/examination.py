"""All recorded events read again, and what comes of them beside what the tables say. Nothing is written."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, text

from core.event import EventUid
from core.identifier import BlindIndex, Identifier, IdentifierId
from profiles import people, record, rereading, summaries, summary
from profiles.people import Standing
from profiles.summary import Summary
from profiles.touchpoint import Touchpoint
from stitcher import columns, comparison, graph, kept, robot_evidence, whole
from stitcher.columns import Columns, Gathering, Small
from stitcher.comparison import Identifiers, Matched, Otherwise
from stitcher.graph import Opening
from stitcher.kept import Recorded
from stitcher.rules import Rules
from stitcher.whole import Outcome

SAMPLES_MAX = 20  # of each kind of difference
ANCHORS_MAX = 500  # whose touchpoints are read again at once

T = TypeVar("T")

Also = Callable[[Sequence[Touchpoint]], None]
"""What is done with the touchpoints of every chunk that stand where they should."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What all *events* come to, *matched* with what the tables say.

    *openings* are those kept and those expected. *moved* are touchpoints that stand elsewhere than they should; *parts* says
    what of profiles is concerned by that, by anchor. *summaries* are the identifiers whose summary is wrong.
    """

    events: int
    matched: Matched
    openings: tuple[Mapping[IdentifierId, Opening], Mapping[IdentifierId, Opening]]
    moved: Sequence[EventUid]
    parts: Mapping[IdentifierId, set[str]]
    summaries: frozenset[IdentifierId]


@dataclass(frozen=True, slots=True)
class Sample:
    """One difference: whose it is (identifiers, or the id of an event or token), what the table says and what it should say."""

    what: str
    identifiers: Sequence[Identifier]
    id: str | None = None
    kept: str | None = None
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How many *events*, *identifiers*, *links* and *people* there are, and how many differences of each kind, with samples."""

    events: int
    identifiers: int
    links: int
    people: int
    differences: Mapping[str, int]
    samples: Sequence[Sample]


def check(connection: Connection, rules: Rules, index: BlindIndex) -> Report:
    """Say where the tables differ from what the recorded events come to, in one snapshot, writing nothing.

    *connection* has not begun a transaction yet.
    """
    snapshot(connection)
    return report(connection, examine(connection, rules, index))


def snapshot(connection: Connection) -> None:
    """Let all that is read from here on be of one moment, and nothing be written."""
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    patient(connection)


def patient(connection: Connection) -> None:
    """Let the server wait while we think: between two statements more time may pass than others are given."""
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def examine(connection: Connection, rules: Rules, index: BlindIndex, also: Also = lambda _: None) -> Examination:
    """Read all recorded events again, and compare."""
    decided = kept.in_force(connection, index)
    gathering, reading = Gathering(), _Reading(_Kept(kept.summaries(connection)))
    for chunk in kept.events(connection):
        own = {each.uid: each.event for each in chunk}
        beside = robot_evidence.beside(connection, own, rules.robots, index, decided)
        touchpoints, said = graph.read(own, rules, index, decided, beside)
        gathering.add(said)
        also(reading.add(chunk, touchpoints))
    reading.end(connection)
    evidence = gathering.total(decided)
    return Examination(
        reading.events,
        matched(connection, evidence, whole.decide(evidence, rules), rules),
        (kept.openings(connection), evidence.openings),
        list(reading.moved),
        reading.parts,
        frozenset(reading.wrong),
    )


def matched(connection: Connection, evidence: Columns, outcome: Outcome, rules: Rules) -> Matched:
    """Put *outcome* beside what the tables say."""
    return comparison.match(
        evidence,
        outcome,
        _expected(evidence, outcome, rules),
        kept.identifiers(connection),
        kept.links(connection),
        Standing.VOID.value,
    )


def standings(outcome: Outcome) -> Small:
    """Return the number of the standing of each node."""
    cases = [(outcome.generic, Standing.GENERIC), (outcome.blocked, Standing.BLOCKED)]
    cases += [(outcome.presumed, Standing.PRESUMED), (outcome.contested, Standing.CONTESTED)]
    masks, values = [mask for mask, _ in cases], [standing.value for _, standing in cases]
    return np.select(masks, values, Standing.OWNED.value).astype(np.int8)


def portions(many: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Return *many* in portions of up to *most*."""
    return (many[at : at + most] for at in range(0, len(many), most))


def _expected(evidence: Columns, outcome: Outcome, rules: Rules) -> Identifiers:
    nodes = evidence.nodes
    weak = np.array([rules.namespaces[namespace].kind == "weak" for namespace, _ in evidence.slots], np.bool_)
    return Identifiers(
        nodes.ids,
        nodes.ids[outcome.person],
        nodes.ids[outcome.neighbourhood],
        standings(outcome),
        nodes.first_us,
        nodes.vouched,
        weak[nodes.slot],
    )


class _Kept:
    """The summaries of the table, beside which those expected are held in the order of their identifiers."""

    def __init__(self, rows: Iterator[tuple[IdentifierId, tuple[int, Summary]]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def wrong(self, expected: Iterable[tuple[IdentifierId, Summary]]) -> Iterator[IdentifierId]:
        """Return whose summary is not as *expected*, or is there and should not be, up to the last of *expected*."""
        for node_id, own in expected:
            yield from self.rest(node_id)
            if self._next and self._next[0] == node_id:
                if self._next[1] != (own.events, own):
                    yield node_id
                self._next = next(self._rows, None)
            else:
                yield node_id

    def rest(self, until: IdentifierId | None = None) -> Iterator[IdentifierId]:
        """Return whose summary is left before that of *until*."""
        while self._next and (until is None or self._next[0] < until):
            yield self._next[0]
            self._next = next(self._rows, None)


@dataclass(slots=True)
class _Reading:
    """What is found while the events are read, chunk by chunk, in the order of the anchors that they stand under.

    *elsewhere* adds up what stands under others than it should, by the anchor under which it should."""

    kept: _Kept
    events: int = 0
    moved: dict[EventUid, IdentifierId | None] = field(default_factory=dict)
    parts: dict[IdentifierId, set[str]] = field(default_factory=dict)
    elsewhere: dict[IdentifierId, Summary] = field(default_factory=dict)
    wrong: set[IdentifierId] = field(default_factory=set)

    def add(self, chunk: Sequence[Recorded], touchpoints: Sequence[Touchpoint]) -> list[Touchpoint]:
        """Add a chunk that has all that stands under its anchors; return what stands where it should."""
        right = []
        for recorded, touchpoint in zip(chunk, touchpoints, strict=True):
            if kept.standing(touchpoint) == recorded.standing:
                right.append(touchpoint)
            else:
                self._move(recorded, touchpoint)
        sums = summaries.sums_of(right)
        self.wrong.update(self.kept.wrong(sums.items()))
        self.events += len(chunk)
        return right

    def end(self, connection: Connection) -> None:
        """Look at the summaries of those under whom more stands than the table says."""
        self.wrong.update(self.kept.rest())
        self.wrong -= self.elsewhere.keys()
        for anchors in portions(list(self.elsewhere), ANCHORS_MAX):
            stay = [t for t in rereading.under(connection, anchors) if t.uid not in self.moved]
            sums, known = summaries.sums_of(stay), summaries.of_identifiers(connection, anchors)
            for anchor in anchors:
                own = self.elsewhere[anchor]
                expected = sums[anchor] + own if anchor in sums else own
                if known.get(anchor) != expected:
                    self.wrong.add(anchor)

    def _move(self, recorded: Recorded, touchpoint: Touchpoint) -> None:
        self.moved[touchpoint.uid] = touchpoint.anchor
        if touchpoint.anchor is not None:
            more = summary.of(touchpoint)
            known = self.elsewhere.get(touchpoint.anchor)
            self.elsewhere[touchpoint.anchor] = known + more if known else more
        for anchor in {recorded.standing.anchor, touchpoint.anchor} - {None}:
            assert anchor is not None
            self.parts.setdefault(anchor, set()).update(record.parts(touchpoint))


# What is told of it


def report(connection: Connection, examination: Examination) -> Report:
    """Return what *examination* found, with up to `SAMPLES_MAX` samples of each kind of difference."""
    matched = examination.matched
    counts: dict[str, int] = {}
    samples: list[Sample] = []
    texts = _Texts(connection, matched)
    for each in comparison.differences(matched):
        counts[each.what] = len(each.one)
        samples += _samples(each, texts)
    for what, found in _others(examination).items():
        counts[what] = len(found)
        samples += [Sample(what, texts.of_ids([i]), i) for i in sorted(found)[:SAMPLES_MAX]]
    outcome = matched.outcome
    return Report(
        examination.events,
        len(outcome.person),
        len(outcome.refused),
        len(np.unique(outcome.person[outcome.is_somebodys])),
        {what: count for what, count in counts.items() if count},
        samples,
    )


def changed_openings(examination: Examination) -> set[IdentifierId]:
    """Return the tokens of links of which it is not known who opened them first."""
    before, after = examination.openings
    return {token for token in {**before, **after} if before.get(token) != after.get(token)}


def _others(examination: Examination) -> Mapping[str, Collection[str]]:
    return {
        "opening": changed_openings(examination),
        "touchpoint": examination.moved,
        "summary": examination.summaries,
    }


def _samples(each: Otherwise, texts: "_Texts") -> Iterator[Sample]:
    show = comparison.shown(each.what)
    for at in range(min(len(each.one), SAMPLES_MAX)):
        places = [each.one[at]] if each.other is None else [each.one[at], each.other[at]]
        said = [show(side[at]) if side is not None else None for side in (each.kept, each.expected)]
        if each.what == "identifier.standing":
            said = [Standing(int(value)).name.lower() if value is not None else None for value in said]
        yield Sample(each.what, texts.at(places), None, *said)


class _Texts:
    """The identifiers that are to be shown."""

    def __init__(self, connection: Connection, matched: Matched) -> None:
        self._connection = connection
        self._matched = matched
        self._ids = matched.ids

    def at(self, places: Iterable[int]) -> list[Identifier]:
        """Return those with these numbers, as far as anybody knows them."""
        known = len(self._matched.evidence.nodes)
        found = []
        for place in places:
            if 0 <= place < known:
                found += self._matched.evidence.identifiers(np.array([place]))
            elif place >= known:
                found += self.of_ids(columns.written(self._ids[[place]]))
        return found

    def of_ids(self, ids: Sequence[str]) -> list[Identifier]:
        """Return those among *ids* that are in the table."""
        return [m.identifier for m in people.members(self._connection, [IdentifierId(i) for i in ids])]
