"""Where a person can be split: between which two identifiers, and what holds the two together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from core.errors import Refused
from core.identifier import BlindIndex, IdentifierId, PersonId
from profiles.people import Member
from stitcher import asking
from stitcher.asking import Identity, Known
from stitcher.cutting import cut


@dataclass(frozen=True, slots=True)
class Split:
    """That *one* and *other*, of one person until now, are to be kept apart. *Cut* are the links that hold the two together."""

    one: Member
    other: Member
    cut: Sequence[Known]


def proposed(connection: Connection, person_id: PersonId) -> Split:
    """Propose where to split a person (of the present id): at his weakest point, or else at his first bridge.

    Raises `Refused` where he has neither: then somebody has to say between which two.
    """
    identity = asking.identity(connection, person_id)
    parts = identity.weakest.parts if identity.weakest else identity.bridges[0].parts if identity.bridges else None
    if parts is None:
        raise Refused("this person has no weakest point: say which two identifiers are to be kept apart")
    return _between(identity, *(_foremost(identity, part) for part in parts[:2]))


def between(connection: Connection, person_id: PersonId, one: str, other: str, index: BlindIndex) -> Split:
    """Return the split of a person between the identifiers written *one* and *other*. Raises `NotFound` where one of them is not
    his, and `InvalidEvent`, with a pointer, where it is none."""
    identity = asking.identity(connection, person_id)
    ends = (
        asking.identifier_of(identity.members, one, index, "/from"),
        asking.identifier_of(identity.members, other, index, "/to"),
    )
    return _between(identity, *ends)


def _between(identity: Identity, one: IdentifierId, other: IdentifierId) -> Split:
    members = {member.id: member for member in identity.members}
    used = {known.ends: known for known in identity.links if known.refused is None}
    found = cut(members, {ends: known.weight.value for ends, known in used.items()}, one, other)
    return Split(members[one], members[other], [used[ends] for ends in found.links] if found else [])


def _foremost(identity: Identity, part: Collection[IdentifierId]) -> IdentifierId:
    """Return the first strong identifier of *part*; the canonical one of the person comes before all others."""
    return next(member.id for member in identity.members if member.id in part and not member.is_weak)
