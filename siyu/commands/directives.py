"""`siyu directives`: what people decide about identities, and who decided what and why."""

from typing import Annotated
from uuid import UUID

import typer

from api import schemas, shown
from core.directive import EventName, Kind, Wish
from siyu.deciding import AsJson, By, Clear, IsPreview, Manner, Why, decide
from siyu.looking import written_down
from siyu.system import opened
from siyu.terminal import answering, say, write_json, write_table
from stitcher import directives

app = typer.Typer(help="Decide about identities, and see what was decided.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(help="an identifier, written namespace[@scope]:value")]


@app.command("list")
def list_directives(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50, as_json: AsJson = False, clear: Clear = False
) -> None:
    """List what was decided, the latest first: by whom, why, whether it stands, and since when it is done."""
    with opened() as system, system.engine.connect() as connection:
        written_down(system, "directives list", clear=clear, limit=limit)
        found = directives.listing(connection, None, limit)
    told = [shown.directive(each, system.index, clear=clear) for each in found]
    if as_json:
        write_json(each.model_dump(mode="json") for each in told)
    else:
        write_table(("id", "time", "what", "", "by", "why", "in force", "carried out"), map(_row, told))


@app.command()
def show(directive: UUID, as_json: AsJson = False, clear: Clear = False) -> None:
    """Show one directive, and what has become of it."""
    with opened() as system, system.engine.connect() as connection, answering():
        written_down(system, "directives show", clear=clear, directive=str(directive))
        found = shown.directive(directives.found(connection, str(directive)), system.index, clear=clear)
    told = found.model_dump(mode="json")
    if as_json:
        write_json([told])
    else:
        write_table(("", ""), told.items())


@app.command()
def must_link(
    first: Named,
    second: Named,
    why: Why = None,
    by: By = None,
    is_preview: IsPreview = False,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Decide that two identifiers are one person's, whatever else is known."""
    manner = Manner(why, by, is_preview, as_json, clear)
    _decide(Wish(Kind.MUST_LINK, manner.reason, (first, second)), manner)


@app.command()
def cannot_link(
    first: Named,
    second: Named,
    why: Why = None,
    by: By = None,
    is_preview: IsPreview = False,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Decide that two identifiers never are one person's."""
    manner = Manner(why, by, is_preview, as_json, clear)
    _decide(Wish(Kind.CANNOT_LINK, manner.reason, (first, second)), manner)


@app.command()
def block(
    identifier: Named,
    why: Why = None,
    by: By = None,
    is_preview: IsPreview = False,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Decide that an identifier names nobody: it links nothing."""
    manner = Manner(why, by, is_preview, as_json, clear)
    _decide(Wish(Kind.BLOCK, manner.reason, (identifier,)), manner)


@app.command()
def retract(
    event: Annotated[
        tuple[str, str] | None, typer.Option(help="the event of this source and id", metavar="SOURCE ID")
    ] = None,
    link: Annotated[
        tuple[str, str] | None,
        typer.Option(help="what was received until now of the link between two identifiers", metavar="A B"),
    ] = None,
    source: Annotated[str | None, typer.Option(help="all that was received until now of this source")] = None,
    directive: Annotated[UUID | None, typer.Option(help="a former directive")] = None,
    why: Why = None,
    by: By = None,
    is_preview: IsPreview = False,
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Take something back, as if it had never been: an event, a link, a source, or a former directive."""
    manner = Manner(why, by, is_preview, as_json, clear)
    named = EventName(*event) if event else None
    former = str(directive) if directive else None
    _decide(Wish(Kind.RETRACT, manner.reason, link or (), named, source, former), manner)


def _decide(wish: Wish, manner: Manner) -> None:
    with opened() as system:
        decide(system, wish, manner)


def _row(of: schemas.DirectiveOut) -> tuple[object, ...]:
    target = [each.identifier for each in of.identifiers] or [of.source or of.directive or ""]
    about = f"{of.event.source} {of.event.id}" if of.event else " ".join(target)
    decided, done = (at.isoformat()[:16] if at else "" for at in (of.decided_at, of.carried_out_at))
    return of.id, decided, of.kind, about, of.by, of.why, say("yes" if of.in_force else "no"), done
