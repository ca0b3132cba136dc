"""What other rules would change: all recorded events read by them, beside the people that there are. Nothing is written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from core.identifier import BlindIndex, Identifier
from profiles import people
from profiles.people import Standing
from stitcher import columns, examination, graph, kept, robot_evidence, whole
from stitcher.columns import NOWHERE, Ids, Mask, Numbers, Small
from stitcher.comparison import Matched
from stitcher.rules import Rules
from stitcher.whole import REASONS

SAMPLES_MAX = 20
SAMPLE_IDENTIFIERS_MAX = 10  # of each person in a sample
ADDRESSES = frozenset({"phone", "email", "wechat_openid"})  # the namespaces under which somebody can be reached


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there are: *people*, those of them with an address (*reached*), identifiers by *standing*, links *refused* by
    reason, and events by *verdict*."""

    people: int
    reached: int
    standings: Mapping[str, int]
    refused: Mapping[str, int]
    verdicts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """People before, each by some of his identifiers, and who would come of them."""

    before: Sequence[Sequence[Identifier]]
    after: Sequence[Sequence[Identifier]]


@dataclass(frozen=True, slots=True)
class RulesPreview:
    """What other rules would make of all *events*.

    *merged* people would be several of today's, *split* people of today would be several, and so many identifiers would be
    another person's (*moved*); a change of the id alone does not count.
    """

    events: int
    before: Tally
    after: Tally
    merged: int
    split: int
    moved: int
    merges: Sequence[Sample]
    splits: Sequence[Sample]


def preview(connection: Connection, rules: Rules, index: BlindIndex) -> RulesPreview:
    """Say what would be different under *rules*, in one snapshot. *connection* has not begun a transaction yet."""
    examination.snapshot(connection)
    decided = kept.in_force(connection, index)
    gathering, events = columns.Gathering(), 0
    before, after = Counter[str](), Counter[str]()
    for chunk in kept.events(connection):
        own = {each.uid: each.event for each in chunk}
        beside = robot_evidence.beside(connection, own, rules.robots, index, decided)
        touchpoints, said = graph.read(own, rules, index, decided, beside)
        gathering.add(said)
        before.update(each.standing.verdict or "human" for each in chunk if not each.standing.void)
        after.update(each.verdict.value for each in touchpoints if not each.void)
        events += len(chunk)
    evidence = gathering.total(decided)
    matched = examination.matched(connection, evidence, whole.decide(evidence, rules), rules)
    sides = _sides(matched)
    merged, split = _several(sides.after, sides.before), _several(sides.before, sides.after)
    return RulesPreview(
        events,
        _before(connection, matched, before),
        _after(matched, after),
        len(merged),
        len(split),
        _moved(sides),
        [_sample(matched, sides, sides.after == person) for person in merged[:SAMPLES_MAX]],
        [_sample(matched, sides, sides.before == person) for person in split[:SAMPLES_MAX]],
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    """For the identifiers *at* these places, which are somebody's on both sides: whose, by a number of each side's own."""

    at: NDArray[np.int64]
    before: Numbers
    after: Numbers


def _sides(matched: Matched) -> _Sides:
    at = np.flatnonzero(matched.row != NOWHERE)
    rows = matched.row[at]
    standing = matched.kept.standing[rows]
    both = _somebodys(standing) & matched.outcome.is_somebodys[at]
    at, rows = at[both], rows[both]
    return _Sides(at, _numbers(matched.kept.person[rows]), matched.outcome.person[at].astype(np.int64))


def _somebodys(standing: Small) -> Mask:
    return np.isin(standing, (Standing.OWNED.value, Standing.PRESUMED.value))


def _numbers(ids: Ids) -> Numbers:
    return columns.numbered(ids)[0].astype(np.int64)


def _several(of: Numbers, into: Numbers) -> NDArray[np.int64]:
    """Return those of *of* who stand beside several of *into*."""
    pairs = np.unique(np.stack([of, into], axis=1), axis=0)
    persons, counts = np.unique(pairs[:, 0], return_counts=True)
    found: NDArray[np.int64] = persons[counts > 1]
    return found


def _moved(sides: _Sides) -> int:
    """Count the identifiers that are not with most of those with whom they were."""
    pairs, counts = np.unique(np.stack([sides.before, sides.after], axis=1), axis=0, return_counts=True)
    most = np.zeros(int(sides.before.max(initial=-1)) + 1, np.int64)
    np.maximum.at(most, pairs[:, 0], counts)
    return len(sides.before) - int(most.sum())


def _before(connection: Connection, matched: Matched, verdicts: Mapping[str, int]) -> Tally:
    kept_rows = matched.kept
    living = _somebodys(kept_rows.standing)
    codes, counts = np.unique(matched.links.refused, return_counts=True)
    return Tally(
        len(np.unique(kept_rows.person[living], axis=0)),
        people.reached(connection, ADDRESSES),
        _standings(kept_rows.standing),
        _refusals(codes, counts),
        dict(verdicts),
    )


def _after(matched: Matched, verdicts: Mapping[str, int]) -> Tally:
    evidence, outcome = matched.evidence, matched.outcome
    living = outcome.is_somebodys
    addressed = np.array([namespace in ADDRESSES for namespace, _ in evidence.slots], np.bool_)[evidence.nodes.slot]
    codes, counts = np.unique(outcome.refused, return_counts=True)
    return Tally(
        len(np.unique(outcome.person[living])),
        len(np.unique(outcome.person[living & addressed])),
        _standings(examination.standings(outcome)),
        _refusals(codes, counts),
        dict(verdicts),
    )


def _standings(standing: Small) -> Mapping[str, int]:
    values, counts = np.unique(standing, return_counts=True)
    found = zip(values.tolist(), counts.tolist(), strict=True)
    return {Standing(value).name.lower(): count for value, count in found if value != Standing.VOID.value}


def _refusals(codes: NDArray[np.int8], counts: NDArray[np.int64]) -> Mapping[str, int]:
    found = zip(codes.tolist(), counts.tolist(), strict=True)
    return {REASONS[code - 1].value: count for code, count in found if 0 < code <= len(REASONS)}


def _sample(matched: Matched, sides: _Sides, concerned: Mask) -> Sample:
    at = sides.at[concerned]
    return Sample(
        *(
            [
                matched.evidence.identifiers(at[numbers == person][:SAMPLE_IDENTIFIERS_MAX])
                for person in np.unique(numbers)[:SAMPLES_MAX]
            ]
            for numbers in (sides.before[concerned], sides.after[concerned])
        )
    )
