"""All evidence as columns: what `stitcher.graph` keeps as objects, for millions of identifiers and links. Pure.

Columns add up as `Evidence` does, by the same rules, so it does not matter how the events were cut into chunks. Times are whole
microseconds since 1970; an id is two whole numbers, of which the first alone nearly always tells it from all others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.identifier import Identifier, IdentifierId
from stitcher import decisions
from stitcher.decisions import Decisions
from stitcher.graph import Basis, Evidence, Link, Node, Opening, Weight

Ids = NDArray[np.uint64]
"""Of each id a row of two numbers: its first 64 bits, and its last."""
Places = NDArray[np.int32]
Numbers = NDArray[np.int64]
Small = NDArray[np.int8]
Mask = NDArray[np.bool_]

NOWHERE = -1
NEVER = np.iinfo(np.int64).min
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Identifiers: *slot* is a place in `Columns.slots`, *value* an Arrow array of texts."""

    ids: Ids
    first_us: Numbers
    vouched: Mask
    slot: Places
    value: Any

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Links:
    """Links, as `stitcher.graph.Link` has them, between the places *one* and *other* of nodes, the lesser id first. Where no
    trusted source said it, *trusted_weight* is 0."""

    one: Places
    other: Places
    weight: Small
    last_us: Numbers
    trusted_weight: Small
    trusted_last_us: Numbers
    first_us: Numbers
    count: Numbers

    def __len__(self) -> int:
        return len(self.one)

    def at(self, places: NDArray[Any]) -> "Links":
        """Return those at *places*."""
        return Links(*(getattr(self, name)[places] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Columns:
    """Evidence: identifiers, links, the slots that they are of (namespace and scope), openings, and what was decided."""

    nodes: Nodes
    links: Links
    slots: Sequence[tuple[str, str]]
    openings: Mapping[IdentifierId, Opening] = field(default_factory=dict)
    decided: Decisions = decisions.NONE

    def identifiers(self, places: NDArray[Any]) -> list[Identifier]:
        """Return the identifiers at *places*."""
        values = self.nodes.value.take(pa.array(places)).to_pylist()
        slots = (self.slots[slot] for slot in self.nodes.slot[places].tolist())
        return [Identifier(slot[0], slot[1], value) for slot, value in zip(slots, values, strict=True)]

    def evidence(self, places: NDArray[Any], links: NDArray[Any], openings: Mapping[IdentifierId, Opening]) -> Evidence:
        """Return as objects the nodes at *places*, the *links* between them (places too) and *openings*."""
        nodes, ids = self.nodes, written(self.nodes.ids[places])
        columns = zip(
            ids, self.identifiers(places), nodes.first_us[places].tolist(), nodes.vouched[places].tolist(), strict=True
        )
        known = {i: Node(identifier, moment(first_us), vouched) for i, identifier, first_us, vouched in columns}
        named = dict(zip(places.tolist(), ids, strict=True))
        return Evidence(known, dict(self._links(links, named)), dict(openings), self.decided)

    def _links(
        self, places: NDArray[Any], named: Mapping[int, IdentifierId]
    ) -> Iterable[tuple[tuple[IdentifierId, IdentifierId], Link]]:
        chosen = self.links.at(places)
        for row in zip(*(getattr(chosen, name).tolist() for name in Links.__slots__), strict=True):
            one, other, weight, last_us, trusted_weight, trusted_last_us, first_us, count = row
            trusted = Basis(Weight(trusted_weight), moment(trusted_last_us)) if trusted_weight else None
            link = Link(Basis(Weight(weight), moment(last_us)), trusted, moment(first_us), count)
            yield (named[one], named[other]), link


def of(evidence: Evidence) -> Columns:
    """Return *evidence* as columns."""
    slots: dict[tuple[str, str], int] = {}
    nodes, links = evidence.nodes, evidence.links
    named = [node.identifier for node in nodes.values()]
    places = {node_id: place for place, node_id in enumerate(nodes)}
    return Columns(
        Nodes(
            ids(nodes),
            np.array([_us(node.first_at) for node in nodes.values()], np.int64),
            np.array([node.vouched for node in nodes.values()], np.bool_),
            np.array([slots.setdefault((i.namespace, i.scope), len(slots)) for i in named], np.int32),
            pa.array([i.value for i in named], pa.large_string()),
        ),
        Links(
            np.array([places[one] for one, _ in links], np.int32),
            np.array([places[other] for _, other in links], np.int32),
            np.array([link.basis.weight for link in links.values()], np.int8),
            np.array([_us(link.basis.last_at) for link in links.values()], np.int64),
            np.array([link.trusted.weight if link.trusted else 0 for link in links.values()], np.int8),
            np.array([_us(link.trusted.last_at) if link.trusted else NEVER for link in links.values()], np.int64),
            np.array([_us(link.first_at) for link in links.values()], np.int64),
            np.array([link.count for link in links.values()], np.int64),
        ),
        list(slots),
        evidence.openings,
        evidence.decided,
    )


def total(parts: Sequence[Columns]) -> Columns:
    """Return the sum of *parts*, all of them read under the same decisions."""
    if len(parts) == 1:
        return parts[0]
    slots: dict[tuple[str, str], int] = {}
    recoded = [np.array([slots.setdefault(slot, len(slots)) for slot in part.slots], np.int32) for part in parts]
    numbers, firsts = numbered(np.concatenate([part.nodes.ids for part in parts]))
    starts = np.cumsum([0, *(len(part.nodes) for part in parts[:-1])])
    nodes = _total_nodes([part.nodes for part in parts], recoded, numbers, firsts)
    links = _total_links(_replaced([part.links for part in parts], starts, numbers), len(nodes))
    openings = Evidence()
    for part in parts:
        for token, opening in part.openings.items():
            openings.add_opening(token, opening)
    return Columns(nodes, links, list(slots), openings.openings, parts[0].decided)


class Gathering:
    """Evidence that comes in chunk by chunk, added up now and then, so that it never takes much more room than its sum."""

    def __init__(self) -> None:
        self._parts = [of(Evidence())]
        self._waiting = 0

    def add(self, evidence: Evidence) -> None:
        """Add one chunk."""
        self._parts.append(of(evidence))
        self._waiting += len(self._parts[-1].nodes)
        if self._waiting > max(len(self._parts[0].nodes), _WAITING_NODES):
            self._parts = [total(self._parts)]
            self._waiting = 0

    def total(self, decided: Decisions) -> Columns:
        """Return the sum of all chunks, which were read under what is *decided*."""
        gathered = total(self._parts)
        return Columns(gathered.nodes, gathered.links, gathered.slots, gathered.openings, decided)


_WAITING_NODES = 250_000


def ids(texts: Iterable[str]) -> Ids:
    """Return ids that are written as UUIDs."""
    return halves(bytes.fromhex("".join(texts).replace("-", "")))


def halves(raw: bytes) -> Ids:
    """Return ids of 16 bytes each."""
    return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2)


def written(some: Ids) -> list[IdentifierId]:
    """Return *some* ids as UUIDs are written."""
    text = some.astype(">u8").tobytes().hex()
    rows = (text[at : at + 32] for at in range(0, len(text), 32))
    return [IdentifierId(f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}") for t in rows]


def moment(us: int) -> datetime:
    """Return the time *us* microseconds after 1970 began."""
    return _EPOCH + us * _MICROSECOND


def numbered(some: Ids) -> tuple[Places, Places]:
    """Number *some* ids in the order in which they first appear: the number of each, and where each number first appears."""
    numbers = _encoded(pa.array(np.ascontiguousarray(some[:, 0])))
    firsts = _firsts(numbers)
    if not np.array_equal(some[firsts[numbers], 1], some[:, 1]):  # two ids that begin alike
        whole = pa.py_buffer(some.astype(">u8").tobytes())
        numbers = _encoded(pa.Array.from_buffers(pa.binary(16), len(some), [None, whole]))
        firsts = _firsts(numbers)
    return numbers, firsts


def located(asked: Ids, known: Ids) -> Places:
    """Return where among *known*, which are all different, each of *asked* is, or `NOWHERE`."""
    numbers = numbered(np.concatenate([known, asked]))[0][len(known) :]
    return np.where(numbers < len(known), numbers, np.int32(NOWHERE))


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _encoded(column: Any) -> Places:
    numbers: Places = column.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return numbers


def _firsts(numbers: NDArray[Any]) -> Places:
    size = int(numbers.max()) + 1 if len(numbers) else 0
    firsts = np.empty(size, np.int32)
    firsts[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1, dtype=np.int32)
    return firsts


def _total_nodes(parts: Sequence[Nodes], slots: Sequence[Places], numbers: Places, firsts: Places) -> Nodes:
    slot = np.concatenate([recoded[part.slot] for part, recoded in zip(parts, slots, strict=True)])
    value = pa.concat_arrays([part.value for part in parts])
    return Nodes(
        np.concatenate([part.ids for part in parts])[firsts],
        _by(np.minimum, numbers, firsts, np.concatenate([part.first_us for part in parts])),
        _by(np.logical_or, numbers, firsts, np.concatenate([part.vouched for part in parts])),
        slot[firsts],
        value.take(pa.array(firsts)),
    )


def _replaced(parts: Sequence[Links], starts: NDArray[Any], numbers: Places) -> Links:
    """Return the links of all *parts* one after the other, between places in what the parts are together."""
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Links.__slots__}
    for end in ("one", "other"):
        shifted = [getattr(part, end) + start for part, start in zip(parts, starts, strict=True)]
        joined[end] = numbers[np.concatenate(shifted)]
    return Links(**joined)


def _total_links(links: Links, size: int) -> Links:
    """Add up *links* between the same two of *size* nodes."""
    groups = _encoded(pa.array(links.one.astype(np.int64) * size + links.other))
    firsts = _firsts(groups)
    if len(firsts) == len(links):
        return links
    joins = {
        "weight": np.maximum,
        "last_us": np.maximum,
        "trusted_weight": np.maximum,
        "trusted_last_us": np.maximum,
        "first_us": np.minimum,
        "count": np.add,
    }
    added = {name: _by(join, groups, firsts, getattr(links, name)) for name, join in joins.items()}
    return Links(links.one[firsts], links.other[firsts], **added)


def _by(join: np.ufunc, groups: NDArray[Any], firsts: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Return what the *values* of each group come to; *firsts* is where the groups first appear."""
    joined: NDArray[Any] = values[firsts]
    again = np.ones(len(values), np.bool_)
    again[firsts] = False
    join.at(joined, groups[again], values[again])
    return joined
