"""The profile: what is known of a person, derived from his identifiers and the sum of their summaries.

What nothing has been heard of is missing or `None`, never a number of our own.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection

from core.errors import NotFound
from core.identifier import Identifier, IdentifierId, PersonId
from profiles import audience, consent, do_not_contact, entrances, masking, people, reach, summaries, summary
from profiles.audience import Behind, Reader
from profiles.consent import Consent, Way
from profiles.entrances import Entrance
from profiles.people import Member
from profiles.scoring import Scoring
from profiles.sharetree import Node
from profiles.summary import Summary

LOOKED_AT_MAX = 1_000  # readers whose cards are read for one page


@dataclass(frozen=True, slots=True)
class Profile:
    """A person at *version*, which rose last at *as_of*.

    *members* are his identifiers, the canonical one first. *amounts* are sums paid, less refunds, in minor units by
    currency; *following* says yes or no by account, *consent* by channel, of what was ever stated; *known* is the sum that they
    are from. *is_contested* says that this is no human but an identifier of several: a device that belongs to nobody.
    """

    id: PersonId
    version: int
    as_of: datetime
    members: Sequence[Member]
    traits: Mapping[str, JsonValue]
    company: str | None
    first_seen: datetime
    last_seen: datetime | None
    events: int
    channels: Mapping[str, int]
    types: Mapping[str, int]
    topics: Mapping[str, int]
    orders: int
    refunds: int
    amounts: Mapping[str, int]
    following: Mapping[str, bool]
    consent: Mapping[str, bool]
    ways: Sequence[Way]
    entrance: Entrance | None
    is_anonymous: bool
    is_contested: bool
    known: Summary

    @property
    def reachable_via(self) -> Sequence[str]:
        """The channels by which he may be reached with what is advertised: without consent, none."""
        return _open(self.ways)

    def label(self, *, clear: bool) -> str:
        """What to call him; see `Card.label`."""
        return _label(_name(self.traits), self.members[0].identifier, clear=clear)


@dataclass(frozen=True, slots=True)
class Card:
    """The little of a profile that stands in a list. *follower* is `None` where nothing was ever said of it."""

    person: PersonId
    name: str | None
    canonical: Identifier
    company: str | None
    follower: bool | None
    reachable_via: Sequence[str]
    is_anonymous: bool

    def label(self, *, clear: bool) -> str:
        """What to call him: his name, else his canonical identifier; unless *clear*, as little of it as tells people apart."""
        return _label(self.name, self.canonical, clear=clear)


def of_person(connection: Connection, person_id: PersonId) -> Profile:
    """Return the profile of a person (of the present id). Raises `NotFound`."""
    version, as_of = people.version(connection, person_id)
    members = people.of_person(connection, person_id)
    known = summaries.of_person(connection, [member.id for member in members])
    blocked = do_not_contact.among(connection, members)
    return Profile(
        id=person_id,
        version=version,
        as_of=as_of,
        members=members,
        traits=known.under("trait/"),
        company=_company(known),
        first_seen=_moment(known.firsts.get("any")) or min(member.first_at for member in members),
        last_seen=_moment(known.lasts.get("any")),
        events=known.events,
        channels=_counted(known, "channel/"),
        types=_counted(known, "type/"),
        topics=_counted(known, "topic/"),
        orders=known.counts.get("orders", 0),
        refunds=known.counts.get("refunds", 0),
        amounts=_counted(known, "amount/"),
        following=known.said("follows/"),
        consent=known.said("consent/"),
        ways=_ways(members, known, reach.ledgers(connection, [person_id])[person_id], blocked),
        entrance=entrances.of_person(connection, person_id, known),
        is_anonymous=_is_anonymous(members),
        is_contested=not all(member.standing.is_somebodys for member in members),
        known=known,
    )


def cards(connection: Connection, person_ids: Collection[PersonId]) -> Mapping[PersonId, Card]:
    """Return the cards of many people (of present ids), by four queries however many they are."""
    by_person: dict[PersonId, list[Member]] = defaultdict(list)
    everybody = people.of_people(connection, person_ids)
    for member in everybody:
        by_person[member.person_id].append(member)
    known = summaries.of_identifiers(connection, [m.id for members in by_person.values() for m in members])
    ledgers = reach.ledgers(connection, by_person.keys())
    blocked = do_not_contact.among(connection, everybody)
    return {person: _card(person, members, known, ledgers[person], blocked) for person, members in by_person.items()}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which readers are asked for; `None` is any. *follower* `False` wants all who are not known to follow.

    *reachable* is yes, no, or the channel.
    """

    follower: bool | None = None
    min_generation: int | None = None
    min_intent: int | None = None
    reachable: bool | str | None = None

    def takes(self, reader: Reader) -> bool:
        """Whether *reader*, of whom the card is not known yet, may be wanted."""
        return reader.generation >= (self.min_generation or 0)

    def takes_card(self, card: Card) -> bool:
        """Whether somebody with this *card* is wanted."""
        follows = self.follower is None or (card.follower is True) == self.follower
        match self.reachable:
            case None:
                return follows
            case bool():
                return follows and bool(card.reachable_via) == self.reachable
            case channel:
                return follows and channel in card.reachable_via


@dataclass(frozen=True, slots=True)
class Readers:
    """Some readers of an article with their cards and the scores of their intent, and the place behind all that were looked at
    (`None`: no more)."""

    found: Sequence[tuple[Reader, Card, int]]
    next: Behind | None


def readers(
    connection: Connection, article_id: str, wanted: Wanted, scoring: Scoring, after: Behind | None, most: int
) -> Readers:
    """Return up to *most* readers of an article from behind *after*, by their first read. Raises `NotFound`.

    At most `LOOKED_AT_MAX` are looked at, so where few are wanted there may be fewer, or none, though more follow.
    """
    found: list[tuple[Reader, Card, int]] = []
    part_size = most + 1 if wanted == Wanted() else LOOKED_AT_MAX // 4
    for _ in range(0, LOOKED_AT_MAX, part_size):
        part = audience.readers(connection, article_id, after, part_size)
        known = cards(connection, [reader.person for reader, _ in part if wanted.takes(reader)])
        taken = {person: card for person, card in known.items() if wanted.takes_card(card)}
        scores = {person: said.score for person, said in scoring.of_people(connection, taken.keys()).items()}
        for reader, place in part:
            if reader.person in taken and scores[reader.person] >= (wanted.min_intent or 0):
                if len(found) == most:
                    return Readers(found, after)
                found.append((reader, taken[reader.person], scores[reader.person]))
            after = place
        if len(part) < part_size:
            return Readers(found, None)
    return Readers(found, after)


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of a share tree: up to so many of its nodes, and of how many people and generations it consists."""

    nodes: Sequence[tuple[Node, Card]]
    first_read_at: Mapping[PersonId, datetime]
    people: int
    depth: int


def branch(connection: Connection, article_id: str, root: PersonId | None, depth: int | None, most: int) -> Branch:
    """Return the share tree of an article from *root* (`None`: the push) down. Raises `NotFound`."""
    reached = audience.of_article(connection, article_id)
    nodes = reached.tree.below(root, depth)
    if root is not None and not nodes:
        raise NotFound("the article has not reached this person")
    known = cards(connection, [node.person for node in nodes[:most]])
    return Branch(
        nodes=[(node, known[node.person]) for node in nodes[:most]],
        first_read_at={reader.person: reader.first_read_at for reader in reached.readers},
        people=len(nodes),
        depth=len({node.generation for node in nodes}),
    )


def _card(
    person: PersonId,
    members: Sequence[Member],
    known: Mapping[IdentifierId, Summary],
    ledger: Sequence[Consent],
    blocked: Collection[Identifier],
) -> Card:
    own = summary.total(known[member.id] for member in members if member.id in known)
    follows = own.said("follows/").values()
    return Card(
        person=person,
        name=_name(own.under("trait/")),
        canonical=next(member.identifier for member in members if member.id == person),
        company=_company(own),
        follower=any(follows) if follows else None,
        reachable_via=_open(_ways(members, own, ledger, blocked)),
        is_anonymous=_is_anonymous(members),
    )


def _label(name: str | None, canonical: Identifier, *, clear: bool) -> str:
    if name is None:
        return canonical.text if clear else masking.identifier(canonical)
    return name if clear else masking.name(name)


def _name(traits: Mapping[str, JsonValue]) -> str | None:
    return str(traits["name"]) if traits.get("name") else None


def _ways(
    members: Sequence[Member], known: Summary, ledger: Sequence[Consent], blocked: Collection[Identifier]
) -> Sequence[Way]:
    """Return by what ways a person may be reached with what is advertised, and why not by the others."""
    held = [member.identifier for member in members]
    return consent.ways(held, known.said("follows/"), ledger, blocked=blocked)


def _open(ways: Iterable[Way]) -> Sequence[str]:
    return [way.channel for way in ways if way.is_open]


def _is_anonymous(members: Sequence[Member]) -> bool:
    return all(member.is_weak for member in members)


def _company(known: Summary) -> str | None:
    stated = known.stated.get("company")
    return str(stated[2]) if stated else None


def _counted(known: Summary, prefix: str) -> Mapping[str, int]:
    return {k.removeprefix(prefix): count for k, count in sorted(known.counts.items()) if k.startswith(prefix)}


def _moment(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None
