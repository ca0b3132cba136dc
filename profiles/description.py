"""What describes a person beside his numbers: traits, tags, sources, levels, interests; read from his events when asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from core.identifier import IdentifierId, PersonId
from profiles import articles, audience, interests, levels, sources, tags, timeline, traits
from profiles.intent import Signal
from profiles.interests import Interest
from profiles.levels import Grounds, Level
from profiles.profile import Card, Profile, cards
from profiles.scoring import signal
from profiles.segments import store
from profiles.segments.rulesets import Kind
from profiles.sources import Ends
from profiles.summary import PAID, REFUNDED
from profiles.tags import Tag
from profiles.timeline import Sort
from profiles.traits import Trait

STATEMENTS_MAX = 500  # of one person on one channel: so many of the newest, and of the oldest
TAGGINGS_MAX = 1_000  # as these, the newest
CONTACTS_MAX = 1_000
PAYMENTS_MAX = 1_000
READS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Description:
    """What describes a person, each with what says so.

    *layers* and *stages* say in which band he stands, by their names. *levels* has `None` for those that he is not at; *cards*
    are those of the people by whom he came, and his own.
    """

    traits: Mapping[str, Trait]
    tags: Sequence[Tag]
    layers: Mapping[str, str]
    stages: Mapping[str, str]
    sources: Ends
    levels: Mapping[levels.Name, Level | None]
    cards: Mapping[PersonId, Card]


@dataclass(frozen=True, slots=True)
class Rules:
    """Which statement of a *trait* survives, and what speaks for an *interest*."""

    traits: traits.Rules
    interests: interests.Rules


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return Rules(traits.shipped(), interests.shipped())


@dataclass(frozen=True, slots=True)
class Describing:
    """By which rules people are described, and as of when."""

    rules: Rules
    now: datetime

    def of(self, connection: Connection, profile: Profile) -> Description:
        """Return what describes the person of *profile*."""
        anchors = [member.id for member in profile.members]
        told = _told(connection, anchors, self._sorts)
        places = store.standing(connection, profile.id)
        return Description(
            traits=traits.traits(told["statements"], self.rules.traits),
            tags=[
                *tags.tags(told["taggings"], self.now),
                *(tags.by_rule(place.set, place.since) for kind, place in places if kind is Kind.SEGMENT),
            ],
            layers={place.set: place.band for kind, place in places if kind is Kind.LAYERS},
            stages={place.set: place.band for kind, place in places if kind is Kind.STAGES},
            sources=sources.ends(connection, anchors),
            levels=levels.levels(
                Grounds(
                    known=profile.known,
                    strong=[(member.identifier, member.first_at) for member in profile.members if not member.is_weak],
                    ways=profile.ways,
                    contacts=told["contacts"],
                    payments=told["payments"],
                    first_read_at=audience.first_read_at(connection, anchors),
                )
            ),
            cards=cards(connection, profile.entrance.path) if profile.entrance else {},
        )

    @property
    def _sorts(self) -> Mapping[str, Sort]:
        return {
            "statements": Sort(self.rules.traits.types, STATEMENTS_MAX, STATEMENTS_MAX),
            "taggings": Sort([tags.TYPE], TAGGINGS_MAX),
            "contacts": Sort([levels.FRIENDED, levels.UNFRIENDED], CONTACTS_MAX),
            "payments": Sort([*PAID, REFUNDED], PAYMENTS_MAX),
        }

    def interests(self, connection: Connection, anchors: Sequence[IdentifierId]) -> Sequence[Interest]:
        """Return the interests of the person of the identifiers *anchors*, the greatest first."""
        told = _told(connection, anchors, {"reads": Sort(self.rules.interests.points.keys(), READS_MAX)})["reads"]
        about = {each.body["article"]["id"] for each in told if each.body.get("article")}
        return interests.interests(told, articles.topics(connection, about), self.rules.interests, self.now)


def _told(
    connection: Connection, anchors: Sequence[IdentifierId], sorts: Mapping[str, Sort]
) -> Mapping[str, Sequence[Signal]]:
    found = timeline.of_sorts(connection, anchors, sorts)
    return {name: [signal(entry) for entry in own] for name, own in found.items()}
