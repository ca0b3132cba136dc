"""What the tables say, beside what all evidence comes to: which identifiers and links are otherwise. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stitcher import columns
from stitcher.columns import NEVER, NOWHERE, Columns, Ids, Mask, Numbers, Places, Small
from stitcher.graph import Weight
from stitcher.whole import REASONS, Outcome


@dataclass(frozen=True, slots=True)
class Identifiers:
    """Identifiers as the table has them: whose each is, what names its neighbourhood, and the number of its standing."""

    ids: Ids
    person: Ids
    component: Ids
    standing: Small
    first_us: Numbers
    vouched: Mask
    weak: Mask


@dataclass(frozen=True, slots=True)
class Links:
    """Links as the table has them; *refused* as in `stitcher.whole.Outcome`."""

    one: Ids
    other: Ids
    weight: Small
    last_us: Numbers
    trusted_weight: Small
    trusted_last_us: Numbers
    first_us: Numbers
    count: Numbers
    refused: Small


@dataclass(frozen=True, slots=True)
class Otherwise:
    """That *what* (`identifier.person`, `link.missing`, …) is otherwise, of the identifiers *one* or the links between *one* and
    *other*. What the table says is *kept*, what it should say *expected*; neither, where a whole row is missing or too much."""

    what: str
    one: Places
    other: Places | None = None
    kept: NDArray[Any] | None = None
    expected: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """Both sides, with everything that either knows numbered alike: first the nodes of the evidence, then the identifiers that
    only the table knows.

    *row* says for each node in which row it is, or `NOWHERE`; *place* for each row which number it has. *ends* are the numbers of
    the ends of the table's links.
    """

    evidence: Columns
    outcome: Outcome
    expected: Identifiers
    kept: Identifiers
    links: Links
    row: Places
    place: Places
    ends: tuple[Places, Places]
    void: int

    @property
    def size(self) -> int:
        """How many identifiers either side knows."""
        return len(self.evidence.nodes) + int((self.place >= len(self.evidence.nodes)).sum())

    @property
    def ids(self) -> Ids:
        """The ids of all, by number."""
        ids = np.empty((self.size, 2), np.uint64)
        ids[self.place] = self.kept.ids
        ids[: len(self.evidence.nodes)] = self.evidence.nodes.ids
        return ids


def match(
    evidence: Columns, outcome: Outcome, expected: Identifiers, kept: Identifiers, links: Links, void: int
) -> Matched:
    """Find what belongs together; *void* is the standing of rows of which nothing is known any more."""
    size = len(evidence.nodes)
    place = columns.located(kept.ids, evidence.nodes.ids)
    row = np.full(size, NOWHERE, np.int32)
    row[place[place != NOWHERE]] = np.flatnonzero(place != NOWHERE)
    alone = place == NOWHERE
    place[alone] = size + np.arange(int(alone.sum()), dtype=np.int32)
    everything = Matched(evidence, outcome, expected, kept, links, row, place, (row, row), void)
    ends = columns.located(links.one, everything.ids), columns.located(links.other, everything.ids)
    return Matched(evidence, outcome, expected, kept, links, row, place, ends, void)


def differences(matched: Matched) -> Iterator[Otherwise]:
    """Say what is otherwise, field by field."""
    yield from _identifiers(matched)
    yield from _links(matched)


def _identifiers(matched: Matched) -> Iterator[Otherwise]:
    size = len(matched.evidence.nodes)
    yield Otherwise("identifier.missing", _places(matched.row == NOWHERE))
    surplus = (matched.place >= size) & (matched.kept.standing != matched.void)
    yield Otherwise("identifier.surplus", matched.place[surplus])
    at = _places(matched.row != NOWHERE)
    rows = matched.row[at]
    for name in ("person", "standing", "first_us", "vouched", "weak"):
        kept, expected = getattr(matched.kept, name)[rows], getattr(matched.expected, name)[at]
        differ = kept != expected if kept.ndim == 1 else (kept != expected).any(axis=1)
        yield Otherwise(f"identifier.{name}", at[differ], None, kept[differ], expected[differ])


def _links(matched: Matched) -> Iterator[Otherwise]:
    said, kept = matched.evidence.links, matched.links
    of_rows = _keys(*matched.ends, matched.size)
    rows = _found(_keys(said.one, said.other, matched.size), of_rows)
    missing = rows == NOWHERE
    yield Otherwise("link.missing", said.one[missing], said.other[missing])
    surplus = np.ones(len(of_rows), np.bool_)
    surplus[rows[~missing]] = False
    yield Otherwise("link.surplus", matched.ends[0][surplus], matched.ends[1][surplus])
    at = _places(~missing)
    for name in ("weight", "last_us", "trusted_weight", "trusted_last_us", "first_us", "count", "refused"):
        source = matched.outcome if name == "refused" else said
        values, expected = getattr(kept, name)[rows[at]], getattr(source, name)[at]
        differ = values != expected
        where = at[differ]
        yield Otherwise(f"link.{name}", said.one[where], said.other[where], values[differ], expected[differ])


def inconsistent(matched: Matched) -> Places:
    """Return the nodes whose neighbourhood the table divides, or names after an identifier that is none of its own: there the
    stitcher would lock too little. (That it takes two neighbourhoods for one costs it time and is no fault.)"""
    at = _places(matched.row != NOWHERE)
    named = columns.located(matched.kept.component[matched.row[at]], matched.kept.ids)
    wrong = named == NOWHERE
    wrong[~wrong] = (matched.kept.component[named[~wrong]] != matched.kept.ids[named[~wrong]]).any(axis=1)
    neighbourhood = matched.outcome.neighbourhood[at]
    first = np.full(len(matched.evidence.nodes), NOWHERE, np.int32)
    first[neighbourhood] = named
    divided: Places = at[wrong | (named != first[neighbourhood])]
    return divided


def shown(what: str) -> Callable[[Any], str | None]:
    """Return how a value of the field *what* is written for a person."""
    return _SHOWN.get(what.partition(".")[2].removeprefix("trusted_"), str)


_SHOWN: Mapping[str, Callable[[Any], str | None]] = {
    "person": lambda value: columns.written(value.reshape(1, 2))[0],
    "weight": lambda value: Weight(value).name.lower() if value else None,
    "first_us": lambda value: columns.moment(int(value)).isoformat(),
    "last_us": lambda value: None if value == NEVER else columns.moment(int(value)).isoformat(),
    "refused": lambda value: (REASONS[value - 1].value if value <= len(REASONS) else "unknown") if value else None,
}


def _places(mask: Mask) -> Places:
    return np.flatnonzero(mask).astype(np.int32)


def _keys(one: Places, other: Places, size: int) -> Numbers:
    """Return a number for each pair; pairs with an end that nobody knows have negative ones, all different."""
    keys = one.astype(np.int64) * size + other
    lost = (one == NOWHERE) | (other == NOWHERE)
    keys[lost] = -1 - np.arange(int(lost.sum()))
    return keys


def _found(asked: Numbers, known: Numbers) -> Places:
    """Return where among *known*, which are all different, each of *asked* is, or `NOWHERE`."""
    if not len(known):
        return np.full(len(asked), NOWHERE, np.int32)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known[order], asked), len(known) - 1)
    return np.where(known[order[at]] == asked, order[at], NOWHERE).astype(np.int32)
