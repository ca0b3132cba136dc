"""From what describes a person to what is shown of it, masked for those who may not see who it is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from api import profile_schemas
from core.identifier import PersonId
from profiles import masking
from profiles.entrances import Entrance
from profiles.interests import Interest
from profiles.levels import Level, Name
from profiles.profile import Card
from profiles.sources import Ends, Source, Touch
from profiles.tags import Tag
from profiles.traits import Statement, Trait

INTERESTS_MAX = 50
NEWEST_MAX = 5


def origins(of: Mapping[str, Trait], *, clear: bool) -> dict[str, profile_schemas.OriginOut]:
    """Show where traits come from."""
    return {
        name: profile_schemas.OriginOut(
            **_stated(trait.statement, clear=clear),
            rule=trait.rule,
            others=[profile_schemas.StatedOut(**_stated(each, clear=clear)) for each in trait.others],
        )
        for name, trait in of.items()
    }


def _stated(of: Statement, *, clear: bool) -> dict[str, Any]:
    return {
        "value": of.value if clear else masking.HIDDEN,
        "source": of.source,
        "channel": of.channel,
        "stated_at": of.at,
        "event": of.uid,
    }


def tag(of: Tag) -> profile_schemas.TagOut:
    """Show a tag."""
    return profile_schemas.TagOut(
        name=of.name,
        kind=of.kind,
        source=of.source,
        stated_at=of.stated_at,
        event=of.uid,
        score=of.score,
        expires_at=of.expires_at,
    )


def ends(of: Ends) -> profile_schemas.EndsOut:
    """Show by what somebody came first and last."""
    return profile_schemas.EndsOut(first=_touch(of.first), last=_touch(of.last))


def sources(person: PersonId, of: Ends, every: Sequence[Source]) -> profile_schemas.SourcesOut:
    """Show all sources of somebody."""
    return profile_schemas.SourcesOut(
        person_id=person, first=_touch(of.first), last=_touch(of.last), all=[_source(each) for each in every]
    )


def _touch(of: Touch | None) -> profile_schemas.TouchOut | None:
    if of is None:
        return None
    return profile_schemas.TouchOut(
        channel=of.channel, campaign=_campaign(of.campaign), type=of.type, at=of.at, event=of.uid
    )


def _source(of: Source) -> profile_schemas.SourceOut:
    return profile_schemas.SourceOut(
        channel=of.channel,
        campaign=_campaign(of.campaign),
        first_at=of.first_at,
        last_at=of.last_at,
        events=of.events,
    )


def _campaign(of: Mapping[str, Any] | None) -> profile_schemas.CampaignOut | None:
    if of is None:
        return None
    return profile_schemas.CampaignOut(**{name: of.get(name) for name in profile_schemas.CampaignOut.model_fields})


def levels(of: Mapping[Name, Level | None]) -> profile_schemas.Levels:
    """Show at which levels somebody is."""
    return {name: _level(each) for name, each in of.items()}


def _level(of: Level | None) -> profile_schemas.LevelOut:
    return profile_schemas.LevelOut(
        is_=of is not None,
        since=of.since if of else None,
        because=of.because if of else None,
        event=of.uid if of else None,
    )


def path(of: Entrance, cards: Mapping[PersonId, Card], *, clear: bool) -> list[profile_schemas.StepDownOut]:
    """Show the people by whom somebody came, himself last."""
    above = (of.generation or 0) - len(of.path)
    return [
        profile_schemas.StepDownOut(person_id=person, label=cards[person].label(clear=clear), generation=above + place)
        for place, person in enumerate(of.path, start=1)
    ]


def interests(
    person: PersonId, of: Sequence[Interest], half_life_days: float, now: datetime
) -> profile_schemas.InterestsOut:
    """Show what somebody is interested in."""
    return profile_schemas.InterestsOut(
        person_id=person,
        as_of=now,
        half_life_days=half_life_days,
        data=[_interest(each) for each in of[:INTERESTS_MAX]],
    )


def _interest(of: Interest) -> profile_schemas.InterestOut:
    return profile_schemas.InterestOut(
        topic=of.topic,
        points=round(of.points, 3),
        share=round(of.share, 4),
        events=len(of.signals),
        newest=[
            profile_schemas.ReadingOut(
                event=each.uid, type=each.type, article_id=each.body["article"]["id"], at=each.occurred_at
            )
            for each in of.signals[:NEWEST_MAX]
        ],
    )
