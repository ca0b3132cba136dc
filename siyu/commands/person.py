"""`siyu person`: who somebody is, what he did, and why he is one person."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from api import intent_schemas, intent_shown, profile_shown, reach_shown, schemas, shown
from api.shown import TIMELINE
from core.directive import Kind, Wish
from core.errors import NotFound
from core.identifier import IdentifierId, PersonId
from profiles import people, profile
from profiles import reach as ways
from profiles import sources as ways_in
from profiles.consent import MARKETING
from profiles.timeline import Filter
from siyu.deciding import By, IsPreview, Manner, Why, decide
from siyu.looking import written_down
from siyu.system import System, opened
from siyu.terminal import answering, language, out, say, write_json, write_table
from stitcher import asking, splitting, timelines
from stitcher.timelines import Place

app = typer.Typer(help="Ask about one person, named by any of his identifiers.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(help="any identifier, written namespace[@scope]:value, or a person id")]
AsJson = Annotated[bool, typer.Option("--json")]
Clear = Annotated[bool, typer.Option("--clear", help="identifiers and traits in full, not masked")]


def _moment(written: str) -> datetime:
    at = datetime.fromisoformat(written)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


AsOf = Annotated[
    datetime | None,
    typer.Option(
        parser=_moment, metavar="TIME", help="whoever had the identifier then, e.g. 2026-06-01T12:00+08:00; else UTC"
    ),
]


@app.command()
def show(identifier: Named, as_of: AsOf = None, as_json: AsJson = False, clear: Clear = False) -> None:
    """Show the profile of a person."""
    with opened() as system, system.engine.connect() as connection, answering():
        person = person_of(system, connection, identifier, as_of)
        written_down(system, "person show", clear=clear, person=person)
        known = profile.of_person(connection, person)
        described, judged = system.describing.of(connection, known), system.scoring.of_person(connection, person)
        told = shown.profile(known, described, judged, clear=clear).model_dump(mode="json", by_alias=True)
    if as_json:
        write_json([told])
    else:
        write_table(("", ""), told.items())


@app.command()
def timeline(
    identifier: Named,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Show what happened to a person on all channels, the newest first."""
    with opened() as system, system.engine.connect() as connection, answering():
        person = person_of(system, connection, identifier)
        written_down(system, "person timeline", clear=clear, person=person, limit=limit)
        reassignable = system.rules.reassignable
        page = timelines.timeline_of(connection, person, Filter(), Place(), limit, reassignable=reassignable)
        lines = [shown.line(line, clear=clear) for line in page.lines]
    if as_json:
        write_json(line.model_dump(mode="json") for line in lines)
    else:
        write_timeline(lines)


@app.command()
def reach(
    identifier: Named,
    purpose: Annotated[str, typer.Option(help="what for")] = MARKETING,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Say by what ways a person may be reached, and why not by the others."""
    with opened() as system, system.engine.connect() as connection, answering():
        person = person_of(system, connection, identifier)
        written_down(system, "person reach", clear=clear, person=person, purpose=purpose)
        told = reach_shown.reach(person, purpose, ways.of_person(connection, person, purpose), clear=clear)
    if as_json:
        write_json([told.model_dump(mode="json")])
        return
    write_table(
        ("channel", "identifier", "why", "time"),
        (
            (way.channel, at.identifier, say(at.reason), f"{at.because.at:%Y-%m-%d %H:%M}" if at.because else "")
            for way in told.ways
            for at in way.addresses
        ),
    )


@app.command()
def can_send(
    identifier: Named,
    channel: Annotated[str, typer.Argument(help="sms, mail or official_account")],
    purpose: Annotated[str, typer.Option(help="what for")] = MARKETING,
    as_json: AsJson = False,
) -> None:
    """Say whether a person may be sent a message now, why not, and when next."""
    with opened() as system, system.engine.connect() as connection, answering():
        person, rules = person_of(system, connection, identifier), system.frequency_rules
        told = ways.may_send(connection, person, channel, purpose, rules, system.clock())
    shown_decision = reach_shown.can_send(channel, purpose, told)
    if as_json:
        write_json([shown_decision.model_dump(mode="json")])
    else:
        write_table(("", ""), shown_decision.model_dump(mode="json").items())


@app.command()
def intent(identifier: Named, as_json: AsJson = False) -> None:
    """Say how likely there is business with a person, and why."""
    with opened() as system, system.engine.connect() as connection, answering():
        person, scoring = person_of(system, connection, identifier), system.scoring
        told = intent_shown.intent(person, scoring.of_person(connection, person), scoring)
    if as_json:
        write_json([told.model_dump(mode="json")])
    else:
        write_intent(told)


@app.command()
def interests(identifier: Named, as_json: AsJson = False) -> None:
    """Say what a person is interested in: the topics he reads about, lately more than long ago."""
    with opened() as system, system.engine.connect() as connection, answering():
        person, describing = person_of(system, connection, identifier), system.describing
        found = describing.interests(connection, anchors_of(connection, person))
        half_life_days = describing.rules.interests.half_life_days
        told = profile_shown.interests(person, found, half_life_days, describing.now)
    if as_json:
        write_json([told.model_dump(mode="json")])
        return
    write_table(
        ("topic", "share", "events", "newest"),
        ((each.topic, f"{each.share:.0%}", each.events, f"{each.newest[0].at:%Y-%m-%d}") for each in told.data),
    )


@app.command()
def sources(identifier: Named, as_json: AsJson = False) -> None:
    """Say by which channels and campaigns a person came, the earliest first."""
    with opened() as system, system.engine.connect() as connection, answering():
        person = person_of(system, connection, identifier)
        anchors = anchors_of(connection, person)
        told = profile_shown.sources(person, ways_in.ends(connection, anchors), ways_in.of_person(connection, anchors))
    if as_json:
        write_json([told.model_dump(mode="json")])
        return
    write_table(
        ("channel", "campaign", "first", "last", "events"),
        (
            (
                each.channel,
                (each.campaign.id or each.campaign.name or each.campaign.source or "") if each.campaign else "",
                f"{each.first_at:%Y-%m-%d %H:%M}",
                f"{each.last_at:%Y-%m-%d %H:%M}",
                each.events,
            )
            for each in told.all
        ),
    )


@app.command()
def why(first: Named, second: Named, as_json: AsJson = False, clear: Clear = False) -> None:
    """Say why two identifiers are one person's: the strongest path between them, link by link, with its events."""
    with opened() as system, system.engine.connect() as connection, answering():
        person = person_of(system, connection, first)
        written_down(system, "person why", clear=clear, person=person)
        members = people.of_person(connection, person)
        ends = [asking.identifier_of(members, written, system.index, "") for written in (first, second)]
        told = shown.why(asking.why(connection, members, *ends), members, ends[0], clear=clear)
    if as_json:
        write_json([told.model_dump(mode="json", by_alias=True)])
        return
    for step in told.path:
        out.print(f"{step.from_.identifier} ── {step.link.strength} ×{step.link.count} ── {step.to.identifier}")
        for event in step.events:
            out.print(f"    {event.occurred_at:%Y-%m-%d %H:%M} {event.type} ({event.source})")


@app.command()
def split(
    first: Annotated[str, typer.Argument(help="an identifier of the person; alone, also his id")],
    second: Annotated[str | None, typer.Argument(help="the other one; without it, a --preview proposes two")] = None,
    why: Why = None,
    by: By = None,
    is_preview: IsPreview = False,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Decide that two identifiers of a person never are one person's."""
    manner = Manner(why, by, is_preview, as_json, clear)
    reason = manner.reason
    if second is None and not is_preview:
        raise typer.BadParameter("name two identifiers; with --preview, two are proposed", param_hint="SECOND")
    with opened() as system, answering():
        with system.engine.connect() as connection:
            person = person_of(system, connection, first)
            found = (
                splitting.between(connection, person, first, second, system.index)
                if second
                else splitting.proposed(connection, person)
            )
        wish = Wish(Kind.CANNOT_LINK, reason, (found.one.identifier.text, found.other.identifier.text))
        decide(system, wish, manner, partial(shown.split, found, clear=clear))


@app.command()
def merge(
    first: Annotated[str, typer.Argument(help="an identifier, written namespace[@scope]:value")],
    second: Annotated[str, typer.Argument(help="one that is the same person's")],
    why: Why = None,
    by: By = None,
    is_preview: IsPreview = False,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Decide that two identifiers are one person's."""
    manner = Manner(why, by, is_preview, as_json, clear)
    wish = Wish(Kind.MUST_LINK, manner.reason, (first, second))
    with opened() as system:
        decide(system, wish, manner)


def write_intent(told: intent_schemas.IntentOut) -> None:
    """Write how likely there is business with somebody, and why, as a table."""
    out.print(f"{say('intent')} {told.score} ({told.change:+d} {say('within a week')})")
    write_table(
        ("why", "points", "events", "newest"),
        (
            (each.labels.get(language(), each.rule), each.points, each.events, f"{each.newest[0].occurred_at:%Y-%m-%d}")
            for each in told.contributions
        ),
    )


def write_timeline(lines: Iterable[schemas.TimelineEntry]) -> None:
    """Write a timeline as a table."""
    rows = (TIMELINE.row(line) for line in lines)
    write_table(
        ("time", "channel", "type", "what"),
        ((str(row["occurred_at"])[:16], row["channel"], row["type"], _what(row)) for row in rows),
    )


def _what(row: Mapping[str, Any]) -> str:
    """The article, the amount, and whatever else an event says, in a few words."""
    money = [f"{row['amount'] / 100:.2f} {row['currency']}"] if row["amount"] else []
    said = [f"{name}={value}" for name, value in (row["properties"] or {}).items()]
    others = [f"{len(row['others'])} ids"] if row["others"] else []
    if row["kind"] == "opened":
        others = [f"{say('opened by another')}, {row['fan_out']} {say('people in all')}"]
    return " · ".join([*([row["article_title"]] if row["article_title"] else []), *money, *said, *others])


def anchors_of(connection: Connection, person: PersonId) -> Sequence[IdentifierId]:
    """Return the ids of the identifiers of a person."""
    return [member.id for member in people.of_person(connection, person)]


def person_of(system: System, connection: Connection, written: str, as_of: datetime | None = None) -> PersonId:
    """Return the person who bears the identifier (or the id) *written*, or bore it *as_of* a time; raises `NotFound`.

    An id leads to the same person at any time.
    """
    if ":" not in written:
        return people.survivor(connection, written)
    owner = asking.lookup(connection, [written], system.index, as_of, system.rules.reassignable)[0]
    if owner.person is None:
        raise NotFound("nobody is known by this" if owner.contested_by is None else "this is nobody's: it is contested")
    return owner.person
