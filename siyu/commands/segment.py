"""`siyu segment`: who is in which segment, by what condition, and who would be by another."""

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from api import segments_shown, table
from api.exporting import segment
from api.reading import reading
from api.segments import SEGMENTS, is_one
from core.event import first_fault
from profiles.segments import everybody, measuring, rulesets, store
from profiles.segments.conditions import Condition, Tree
from siyu.looking import written_down
from siyu.system import opened
from siyu.terminal import answering, fail, out, say, write_json, write_table

app = typer.Typer(help="Ask who is in a segment.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="the name of a segment")]
AsJson = Annotated[bool, typer.Option("--json")]

_TREE: TypeAdapter[Condition] = TypeAdapter(Tree)


@app.command(name="list")
def listing(as_json: AsJson = False) -> None:
    """List all segments, and how many people are in each."""
    with opened() as system, reading(system.engine) as connection:
        known = {name: each for name, each in store.all_sets(connection).items() if is_one(each, SEGMENTS)}
        counts = store.counts(connection, known)
    told = [segments_shown.segment(each, counts[name]) for name, each in known.items()]
    if as_json:
        write_json(each.model_dump(mode="json") for each in told)
    else:
        write_table(
            ("name", "people", "as of"), ((each.name, each.people, each.as_of or say("not yet")) for each in told)
        )


@app.command()
def show(name: Name) -> None:
    """Show how a segment is defined, as JSON."""
    with opened() as system, answering(), reading(system.engine) as connection:
        of = store.one(connection, name, SEGMENTS)
        told = segments_shown.segment(of, store.counts(connection, [name])[name])
    write_json([told.model_dump(mode="json")])


@app.command(name="eval")
def evaluate(
    name: Annotated[str | None, typer.Argument(help="the name of a segment")] = None,
    when: Annotated[Path | None, typer.Option("--when", help="a file with a condition as JSON")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the ids of all people, one a line")] = False,
) -> None:
    """Look at everybody now by the condition of a segment, or by one in a file, and say who meets it. Nothing is saved."""
    with opened() as system, answering(), reading(system.engine) as connection:
        condition = _condition(connection, name, when)
        begun = perf_counter()
        rules = rulesets.segment("asked", condition, {})
        conditions = [rulesets.expanded(condition, store.standing_sets(connection))]
        by = measuring.measure(connection, conditions, system.judged_by, system.clock())
        told = everybody.standings(connection, rules, conditions, by)
        seconds = perf_counter() - begun
    people = [person for person, (band, _) in told.items() if band is not None]
    if as_json:
        write_json({"person_id": person} for person in people)
    else:
        out.print(f"{say('people')}: {len(people):,} · {seconds:.2f} s")


@app.command()
def export(
    name: Name,
    csv: Annotated[Path | None, typer.Option("--csv", help="write a CSV file that spreadsheets open")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="names in full, not masked")] = False,
) -> None:
    """Write everybody who is in a segment, as the watch over it knows them: as JSON, one a line, or as a CSV file."""
    with opened() as system, answering(), reading(system.engine) as connection:
        store.one(connection, name, SEGMENTS)
        written_down(system, "segment export", clear=clear, name=name)
        members = list(segment.members(connection, name, None, clear=clear))
    if csv:
        csv.write_bytes(table.file(segments_shown.MEMBERS_SHEET, members))
    else:
        write_json(each.model_dump(mode="json") for each in members)


def _condition(connection: Connection, name: str | None, when: Path | None) -> Condition:
    if (name is None) == (when is None):
        raise typer.BadParameter(say("name a segment, or a file with --when"))
    if name is not None:
        return store.one(connection, name, SEGMENTS).rules.bands[0].when
    assert when is not None
    try:
        return _TREE.validate_json(when.read_bytes())
    except ValidationError as error:
        raise fail(f"{when}: {first_fault(error)}") from None
    except OSError as error:
        raise fail(f"{when}: {error.strerror}") from None
