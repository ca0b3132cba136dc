"""From segments, layers and stages, and who stands where, to what is shown of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, cast

from pydantic import JsonValue

from api import segment_schemas as shapes
from api.table import Sheet
from core.identifier import PersonId
from profiles import masking
from profiles.profile import Card
from profiles.segments.conditions import Company, Condition, Trait
from profiles.segments.judging import Verdict
from profiles.segments.rulesets import MEMBERS, RuleSet
from profiles.segments.store import Place, Stored

MEMBERS_SHEET: Sheet[shapes.MemberOut] = Sheet(tuple(shapes.MemberOut.model_fields), shapes.MemberOut.model_dump)


def segment(of: Stored, counts: Mapping[str, int]) -> shapes.SegmentOut:
    """Show a segment."""
    return shapes.SegmentOut(
        name=of.rules.name,
        labels=dict(of.rules.labels),
        when=condition(of.rules.bands[0].when),
        version=of.version,
        people=counts.get(MEMBERS, 0),
        as_of=of.as_of if of.is_live else None,
        changed_at=of.changed_at,
        changed_by=of.changed_by,
    )


def bands(of: Stored, counts: Mapping[str, int]) -> shapes.BandsOut:
    """Show layers or stages."""
    return shapes.BandsOut(
        name=of.rules.name,
        kind=_kind(of.rules),
        labels=dict(of.rules.labels),
        bands=[
            shapes.BandOut(
                name=band.name, labels=dict(band.labels), when=condition(band.when), people=counts.get(band.name, 0)
            )
            for band in of.rules.bands
        ],
        version=of.version,
        as_of=of.as_of if of.is_live else None,
        changed_at=of.changed_at,
        changed_by=of.changed_by,
    )


def preset(of: RuleSet) -> shapes.PresetOut:
    """Show layers or stages that can be taken over."""
    return shapes.PresetOut(
        name=of.name,
        kind=_kind(of),
        labels=dict(of.labels),
        bands=[
            shapes.PresetBandOut(name=band.name, labels=dict(band.labels), when=condition(band.when))
            for band in of.bands
        ],
    )


def member(place: Place, card: Card, *, clear: bool) -> shapes.MemberOut:
    """Show one who stands somewhere."""
    return shapes.MemberOut(
        person_id=place.person,
        label=card.label(clear=clear),
        company=card.company,
        follower=card.follower,
        reachable_via=list(card.reachable_via),
        band=place.band,
        since=place.since,
    )


def members(of: Sequence[Place], cards: Mapping[PersonId, Card], *, clear: bool) -> list[shapes.MemberOut]:
    """Show those who stand somewhere, where there is a card of them: one may be somebody else's since."""
    return [member(place, cards[place.person], clear=clear) for place in of if place.person in cards]


def places(of: Mapping[str, Place], sets: Mapping[str, RuleSet]) -> list[shapes.PlaceOut]:
    """Show where somebody stands, by name."""
    return [
        shapes.PlaceOut(set=name, kind=sets[name].kind.value, band=place.band, since=place.since)
        for name, place in sorted(of.items())
        if name in sets
    ]


def explanation(person: PersonId, of: Verdict, now: datetime, *, clear: bool) -> shapes.ExplanationOut:
    """Show why somebody is in a segment, or is not."""
    return shapes.ExplanationOut(person_id=person, is_in=of.holds, as_of=now, verdict=verdict(of, clear=clear))


def bands_explanation(
    person: PersonId, rules: RuleSet, of: Sequence[Verdict], now: datetime, *, clear: bool
) -> shapes.BandsExplanationOut:
    """Show why somebody is in a band."""
    both = list(zip(rules.bands, of, strict=True))
    return shapes.BandsExplanationOut(
        person_id=person,
        band=next((band.name for band, each in both if each.holds), None),
        as_of=now,
        verdicts=[shapes.BandVerdictOut(band=band.name, verdict=verdict(each, clear=clear)) for band, each in both],
    )


def verdict(of: Verdict, *, clear: bool) -> shapes.VerdictOut:
    """Show whether a condition holds, and why."""
    is_hidden = not clear and isinstance(of.condition, Trait | Company) and of.found is not None
    return shapes.VerdictOut(
        condition=condition(of.condition, whole=not of.of),
        holds=of.holds,
        found=masking.HIDDEN if is_hidden else cast("JsonValue", of.found),
        until=of.until,
        of=[verdict(each, clear=clear) for each in of.of],
    )


def condition(of: Condition, *, whole: bool = True) -> dict[str, Any]:
    """Show a condition as it was written; not *whole*, without those that it joins."""
    written = of.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    told = {"kind": of.kind, **written}
    return told if whole else {name: value for name, value in told.items() if name != "of"}


def _kind(of: RuleSet) -> Literal["layers", "stages"]:
    return cast("Literal['layers', 'stages']", of.kind.value)
