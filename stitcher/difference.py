"""What changed about whom: the difference between the people before a batch and after it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from core.identifier import IdentifierId, PersonId

Kind = Literal[
    "person.created", "person.merged", "person.split", "person.retracted", "identifier.moved", "identifier.contested"
]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to announce about *person*: whom he was merged from or split into, or which *identifiers* it is about."""

    kind: Kind
    person: PersonId
    others: tuple[PersonId, ...] = ()
    identifiers: tuple[IdentifierId, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, and everybody whose set of identifiers is another than it was."""

    changes: tuple[Change, ...]
    people: frozenset[PersonId]


def compare(
    before: Mapping[IdentifierId, PersonId],
    after: Mapping[IdentifierId, PersonId],
    contested: Collection[IdentifierId],
) -> Difference:
    """Return what is to be announced when people go from *before* to *after*.

    Both say whose each identifier is; *before* lacks new ones, *after* those of which all was taken back. *Contested* are those
    that nobody owns from now on. A person is alive as long as the identifier whose id he bears is his own.
    """
    moved = {i: person for i, person in after.items() if before.get(i) != person}
    born = {p for i, p in moved.items() if i == p and i not in before}
    parted = {PersonId(i): before[i] for i, p in moved.items() if i == p and i in before}
    heirs = {PersonId(i): p for i, p in moved.items() if before.get(i) == i} | _heirs(before, after)
    merged: dict[PersonId, set[PersonId]] = defaultdict(set)
    split: dict[PersonId, set[PersonId]] = defaultdict(set)
    for former, successor in heirs.items():
        if successor is not None:
            merged[successor].add(former)
    for person, former in parted.items():
        successor = heirs.get(former, former)
        if successor is not None and successor != person:  # else he is the same, under another id, as the merge says
            split[successor].add(person)
    single: dict[PersonId, set[IdentifierId]] = defaultdict(set)
    for node_id, person in moved.items():
        was = before.get(node_id)
        if was is not None and was not in heirs and person not in born and person not in parted:
            single[person].add(node_id)
    retracted = {former for former, successor in heirs.items() if successor is None}
    left = {before[i] for i in before if i in moved or i not in after}
    return Difference(
        changes=(
            *(Change("person.created", person) for person in sorted(born)),
            *(Change("person.merged", person, tuple(sorted(others))) for person, others in sorted(merged.items())),
            *(Change("person.split", person, tuple(sorted(others))) for person, others in sorted(split.items())),
            *(Change("person.retracted", person) for person in sorted(retracted)),
            *(Change("identifier.moved", person, (), tuple(sorted(ids))) for person, ids in sorted(single.items())),
            *(Change("identifier.contested", PersonId(i), (), (i,)) for i in sorted(contested)),
        ),
        people=frozenset(moved.values()) | (left - heirs.keys()) | retracted,
    )


def heir(votes: Mapping[PersonId, int]) -> PersonId | None:
    """Return who has most of what somebody left (of equals the least), or `None` where he left nothing."""
    return min(votes, key=lambda person: (-votes[person], person), default=None)


def _heirs(
    before: Mapping[IdentifierId, PersonId], after: Mapping[IdentifierId, PersonId]
) -> dict[PersonId, PersonId | None]:
    """Say who goes on for each person of whose own name nothing is known any more."""
    nameless = {PersonId(i) for i, person in before.items() if i == person and i not in after}
    votes: dict[PersonId, Counter[PersonId]] = {person: Counter() for person in nameless}
    for node_id, person in before.items() if nameless else ():
        if person in nameless and node_id in after:
            votes[person][after[node_id]] += 1
    return {person: heir(own) for person, own in votes.items()}
