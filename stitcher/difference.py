"""What changed about whom: the difference between the people before a batch and after it. Pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from core.identifier import IdentifierId, PersonId

Kind = Literal["person.created", "person.merged", "person.split", "identifier.moved", "identifier.contested"]


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

    Both say whose each identifier is; *before* may lack new ones. *Contested* are those that nobody owns from now on. A
    person is alive as long as the identifier whose id he bears is his own.
    """
    moved = {i: person for i, person in after.items() if before.get(i) != person}
    born = {p for i, p in moved.items() if i == p and i not in before}
    parted = {PersonId(i): before[i] for i, p in moved.items() if i == p and i in before}
    merged: dict[PersonId, set[PersonId]] = defaultdict(set)
    split: dict[PersonId, set[PersonId]] = defaultdict(set)
    for node_id, person in moved.items():
        if before.get(node_id) == node_id:
            merged[person].add(PersonId(node_id))
    gone = set().union(*merged.values())
    for person, former in parted.items():
        heir = after[former] if former in gone else former
        if heir != person:  # else he is the same, under another id, as the merge says
            split[heir].add(person)
    single: dict[PersonId, set[IdentifierId]] = defaultdict(set)
    for node_id, person in moved.items():
        was = before.get(node_id)
        if was is not None and was not in gone and person not in born and person not in parted:
            single[person].add(node_id)
    return Difference(
        changes=(
            *(Change("person.created", person) for person in sorted(born)),
            *(Change("person.merged", person, tuple(sorted(others))) for person, others in sorted(merged.items())),
            *(Change("person.split", person, tuple(sorted(others))) for person, others in sorted(split.items())),
            *(Change("identifier.moved", person, (), tuple(sorted(ids))) for person, ids in sorted(single.items())),
            *(Change("identifier.contested", PersonId(i), (), (i,)) for i in sorted(contested)),
        ),
        people=frozenset(moved.values()) | {before[i] for i in moved if i in before and before[i] not in gone},
    )
