"""People and profiles made again from the recorded events, as if all that is known and decided today had always been so.

What is as it should be stays untouched. What hangs together with anything that is not is resolved as a whole and written as the
stitcher writes it, a batch at a time, all in one transaction. Stitchers wait meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Connection, text

from core.database import array, run
from core.event import EventUid
from core.identifier import BlindIndex, IdentifierId, PersonId
from profiles import people, rereading, summaries, timeline
from profiles.people import Member, Standing
from profiles.record import Update
from profiles.touchpoint import Touchpoint
from stitcher import (
    columns,
    comparison,
    directives,
    examination,
    graph,
    kept,
    links,
    openings,
    robot_evidence,
    robots,
    store,
    whole,
)
from stitcher.announce import Causes, announce
from stitcher.columns import NOWHERE, Mask, Places
from stitcher.comparison import Matched
from stitcher.decisions import Decisions
from stitcher.difference import Difference, compare
from stitcher.examination import ANCHORS_MAX, Examination, Report, portions
from stitcher.graph import Evidence
from stitcher.resolve import Partition, Settled, resolve
from stitcher.round import Closure
from stitcher.rules import Rules
from stitcher.shadow import Shadow
from stitcher.stitch import Settlement
from stitcher.store import Region
from stitcher.whole import Part

PART_EVENTS_MAX = 1_000

# The parts of a profile that are looked up in its summary.
_SUMMED_UP = frozenset({"events", "traits", "consent", "following", "company", "orders"})


def rebuild(connection: Connection, rules: Rules, index: BlindIndex, now: datetime) -> Report:
    """Make everything again in the open transaction, announce what is different from before, and return what was.

    The cost of writing depends on how much is different. Whoever stitches waits until the transaction ends.
    """
    directives.lock_exclusively(connection)
    examination.patient(connection)
    said = ({each.uid: each.event for each in chunk} for chunk in kept.events(connection, robots.SIGNING))
    robot_evidence.remake(connection, said, index, kept.in_force(connection, index))
    shadow = Shadow(connection)
    found = examination.examine(connection, rules, index, shadow.add)
    told = examination.report(connection, found)
    decided = found.matched.evidence.decided
    for uids in portions(found.moved, PART_EVENTS_MAX):
        shadow.add_late(_restand(connection, uids, rules, index, decided))
    for anchors in portions(sorted(found.summaries), ANCHORS_MAX):
        summaries.replace(connection, anchors, rereading.under(connection, anchors))
    openings.write(connection, *found.openings)
    concerned = _concerned(found, shadow)
    for settlement in _settlements(connection, found, rules):
        _announce(connection, settlement, concerned, now)
    _announce_rest(connection, concerned, rules, now)
    return told


def _restand(
    connection: Connection, uids: Sequence[EventUid], rules: Rules, index: BlindIndex, decided: Decisions
) -> list[Touchpoint]:
    events = {t.uid: t.event for t in rereading.recorded(connection, uids)}
    beside = robot_evidence.beside(connection, events, rules.robots, index, decided)
    touchpoints = graph.read(events, rules, index, decided, beside)[0]
    timeline.restand(connection, touchpoints)
    return touchpoints


def _concerned(found: Examination, shadow: Shadow) -> dict[PersonId, set[str]]:
    """Say which parts of whose profile are otherwise, but for whose identifiers there are."""
    parts = {anchor: set(own) for anchor, own in found.parts.items()}
    for anchor in found.summaries:
        parts.setdefault(anchor, set()).update(_SUMMED_UP)
    for anchor in shadow.cast():
        parts.setdefault(anchor, set()).add("articles")
    evidence, person = found.matched.evidence, found.matched.outcome.person
    places = columns.located(columns.ids(parts), evidence.nodes.ids)
    known = places != NOWHERE
    whose = dict(
        zip(np.flatnonzero(known).tolist(), columns.written(evidence.nodes.ids[person[places[known]]]), strict=True)
    )
    concerned: dict[PersonId, set[str]] = {}
    for at, own in enumerate(parts.values()):
        if at in whose:
            concerned.setdefault(PersonId(whose[at]), set()).update(own)
    return concerned


# What has to be resolved and written again


def _settlements(connection: Connection, found: Examination, rules: Rules) -> Iterator[Settlement]:
    """Write, and return, what hangs together with anything that is otherwise."""
    matched = found.matched
    _forget_links_of_nobody(connection, matched)
    ids = matched.ids
    for part, rows in _regions(matched, _otherwise(connection, matched)):
        region = _region(connection, columns.written(ids[rows]), part.evidence)
        partition = resolve(part.evidence, rules)
        writable = _without(connection, region, part.evidence, partition)
        store.write(connection, writable, part.evidence, partition)
        yield Settlement(region, part.evidence, partition)


def _forget_links_of_nobody(connection: Connection, matched: Matched) -> None:
    lost = (matched.ends[0] == NOWHERE) | (matched.ends[1] == NOWHERE)
    ends = zip(columns.written(matched.links.one[lost]), columns.written(matched.links.other[lost]), strict=True)
    run(
        connection,
        "DELETE FROM link USING json_to_recordset(:rows) AS r(one uuid, other uuid)"
        " WHERE link.one = r.one AND link.other = r.other",
        [{"one": one, "other": other} for one, other in ends],
    )


def _otherwise(connection: Connection, matched: Matched) -> Mask:
    """Say of which identifiers, by number, anything is otherwise, what only the stitcher looks at included."""
    otherwise = np.zeros(matched.size, np.bool_)
    for each in comparison.differences(matched):
        for ends in (each.one, each.other):
            if ends is not None:
                otherwise[ends[ends != NOWHERE]] = True
    otherwise[comparison.inconsistent(matched)] = True
    otherwise[_otherwise_closed(connection, matched)] = True
    return otherwise


def _otherwise_closed(connection: Connection, matched: Matched) -> Places:
    before, closures = kept.closures(connection), matched.outcome.closures
    places = np.fromiter(closures, np.int64, len(closures))
    closed = dict(zip(columns.written(matched.ids[places]), closures.values(), strict=True))
    after = {i: [_written(each) for each in own] for i, own in closed.items()}
    wrong = [i for i in {**before, **after} if before.get(i) != after.get(i)]
    return columns.located(columns.ids(wrong), matched.ids)


def _written(closure: Closure | None) -> list[Any] | None:
    """Return *closure* as it stands in the table."""
    if closure is None:
        return None
    witness = closure.witness
    return [closure.closing.value, [witness.one, witness.other, witness.slot] if witness else None]


def _regions(matched: Matched, otherwise: Mask) -> Iterator[tuple[Part, NDArray[Any]]]:
    """Cut what is *otherwise*, with all that it hangs together with on either side, into parts; with each come the numbers of the
    rows that it has in the table."""
    label = _labels(matched)
    wanted = np.zeros(int(label.max(initial=-1)) + 1, np.bool_)
    wanted[label[otherwise]] = True
    rows = matched.place[wanted[label[matched.place]]]
    rows = rows[np.argsort(label[rows], kind="stable")]
    begin = 0
    for part in whole.parts(matched.evidence, label[: len(matched.evidence.nodes)], wanted):
        last = label[list(part.places.values())].max()
        end = int(np.searchsorted(label[rows], last, side="right"))
        yield part, rows[begin:end]
        begin = end
    if begin < len(rows):
        yield Part(Evidence(decided=matched.evidence.decided), {}, rows[:0]), rows[begin:]


def _labels(matched: Matched) -> Places:
    """Label what hangs together by the evidence or by what the table says."""
    component = matched.outcome.component
    first = np.zeros(int(component.max(initial=-1)) + 1, np.int32)
    first[component] = np.arange(len(component), dtype=np.int32)
    ids = matched.ids
    edges = [
        (np.arange(len(component), dtype=np.int32), first[component]),
        (matched.place, columns.located(matched.kept.person, ids)),
        (matched.place, columns.located(matched.kept.component, ids)),
        matched.ends,
    ]
    ones, others = (np.concatenate(side) for side in zip(*edges, strict=True))
    known = (ones != NOWHERE) & (others != NOWHERE)
    graph_of_all = coo_array((known[known], (ones[known], others[known])), shape=(matched.size, matched.size))
    label: Places = connected_components(graph_of_all, directed=False)[1] if matched.size else ones
    return label


def _region(connection: Connection, ids: Sequence[IdentifierId], evidence: Evidence) -> Region:
    """Return what the table says of the identifiers *ids*; openings are written already."""
    members = {member.id: member for member in people.members(connection, ids)}
    known = links.beginning_at(connection, ids)
    return Region(members, Evidence({}, known.links, evidence.openings), known.refused, Settled())


def _without(connection: Connection, region: Region, evidence: Evidence, partition: Partition) -> Region:
    """Take the rows out whose namespace is weak now and was not, or the other way round: they are written as new ones."""
    stale = {i for i, m in region.members.items() if i in evidence.nodes and m.is_weak == (i in partition.all.core)}
    if not stale:
        return region
    connection.execute(text("DELETE FROM identifier WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": array(stale)})
    members = {i: member for i, member in region.members.items() if i not in stale}
    return Region(members, region.evidence, region.refused, region.settled)


# What is announced of it


def _announce(
    connection: Connection, settlement: Settlement, concerned: dict[PersonId, set[str]], now: datetime
) -> None:
    """Announce what a settlement changed, and what else of the same people is otherwise."""
    members, partition = settlement.region.members, settlement.partition
    difference = _difference(settlement)
    updates: dict[PersonId, Update] = {}
    for person in {*difference.people, *settlement.confirmed, *_parties(difference)}:
        updates[person] = Update({"identifiers"}, otherwise="recompute")
    for person in {*partition.person.values()} & concerned.keys():
        updates.setdefault(person, Update(otherwise="recompute")).changed |= concerned.pop(person)
    known = {**members, **_published(connection, difference, members)}
    announce(connection, updates, difference, known, Causes((), members, partition), now)


def _difference(settlement: Settlement) -> Difference:
    """What is different among people; an identifier that the table gave to nobody in the table is as good as new."""
    members, partition = settlement.region.members, settlement.partition
    before = {i: m.person_id for i, m in members.items() if m.standing is not Standing.VOID and m.person_id in members}
    contested = {i for i in partition.contested if i not in members or members[i].standing is not Standing.CONTESTED}
    return compare(before, partition.person, contested)


def _parties(difference: Difference) -> set[PersonId]:
    split = {other for change in difference.changes if change.kind == "person.split" for other in change.others}
    return {change.person for change in difference.changes} | split


def _published(
    connection: Connection, difference: Difference, members: Mapping[IdentifierId, Member]
) -> Mapping[IdentifierId, Member]:
    """Return, as known ones, the created of whom something was announced before their identifiers were lost."""
    created = [c.person for c in difference.changes if c.kind == "person.created" and c.person not in members]
    found = connection.execute(
        text("SELECT id::text FROM person WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": array(created)}
    )
    rows = {m.id: m for m in people.members(connection, created)}
    return {i: rows[i] for i in found.scalars()}


def _announce_rest(connection: Connection, concerned: Mapping[PersonId, set[str]], rules: Rules, now: datetime) -> None:
    """Announce the profiles that are otherwise though their people are not."""
    updates = {person: Update(parts, otherwise="recompute") for person, parts in concerned.items()}
    nobody = resolve(Evidence(), rules)
    announce(connection, updates, Difference((), frozenset()), {}, Causes((), {}, nobody), now)
