"""`siyu person`: who somebody is, what he did, and why he is one person."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from api import schemas, shown
from api.shown import TIMELINE
from core.errors import NotFound
from core.identifier import PersonId
from profiles import people, profile
from profiles.timeline import Filter
from siyu.system import System, opened
from siyu.terminal import answering, out, write_json, write_table
from stitcher import asking, timelines
from stitcher.timelines import Place

app = typer.Typer(help="Ask about one person, named by any of his identifiers.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(help="any identifier, written namespace[@scope]:value, or a person id")]
AsJson = Annotated[bool, typer.Option("--json")]
Clear = Annotated[bool, typer.Option("--clear", help="identifiers and traits in full, not masked")]


@app.command()
def show(identifier: Named, as_json: AsJson = False, clear: Clear = False) -> None:
    """Show the profile of a person."""
    with opened() as system, system.engine.connect() as connection, answering():
        found = profile.of_person(connection, person_of(system, connection, identifier))
        told = shown.profile(found, clear=clear).model_dump(mode="json")
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
        reassignable = system.rules.reassignable
        page = timelines.timeline_of(connection, person, Filter(), Place(), limit, reassignable=reassignable)
        lines = [shown.line(line, clear=clear) for line in page.lines]
    if as_json:
        write_json(line.model_dump(mode="json") for line in lines)
    else:
        write_timeline(lines)


@app.command()
def why(first: Named, second: Named, as_json: AsJson = False, clear: Clear = False) -> None:
    """Say why two identifiers are one person's: the strongest path between them, link by link, with its events."""
    with opened() as system, system.engine.connect() as connection, answering():
        members = people.of_person(connection, person_of(system, connection, first))
        ends = [asking.identifier_of(members, written, system.index, "") for written in (first, second)]
        told = shown.why(asking.why(connection, members, *ends), members, ends[0], clear=clear)
    if as_json:
        write_json([told.model_dump(mode="json", by_alias=True)])
        return
    for step in told.path:
        out.print(f"{step.from_.identifier} ── {step.link.strength} ×{step.link.count} ── {step.to.identifier}")
        for event in step.events:
            out.print(f"    {event.occurred_at:%Y-%m-%d %H:%M} {event.type} ({event.source})")


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
    return " · ".join([*([row["article_title"]] if row["article_title"] else []), *money, *said, *others])


def person_of(system: System, connection: Connection, written: str) -> PersonId:
    """Return the person who bears the identifier (or the id) *written*; raises `NotFound`."""
    if ":" not in written:
        return people.survivor(connection, written)
    owner = asking.lookup(connection, [written], system.index)[0]
    if owner.person is None:
        raise NotFound("nobody is known by this" if owner.contested_by is None else "this is nobody's: it is contested")
    return owner.person
