"""`siyu review`: what the rules would not decide for a person."""

from typing import Annotated

import typer

from api import shown
from siyu.looking import written_down
from siyu.system import opened
from siyu.terminal import write_json, write_table
from stitcher import reviewing

app = typer.Typer(help="What somebody should look at.", no_args_is_help=True)

SHOWN_MAX = 1_000


@app.command("list")
def listing(
    as_json: Annotated[bool, typer.Option("--json")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="identifiers in full, not masked")] = False,
    limit: Annotated[int, typer.Option(min=1, max=SHOWN_MAX)] = 50,
) -> None:
    """List refused links that may be right, and people who grew suspiciously fast, the latest first."""
    with opened() as system, system.engine.connect() as connection:
        written_down(system, "review list", clear=clear, limit=limit)
        rows = [shown.review(each, clear=clear) for each in reviewing.waiting(connection, None, limit)]
    if as_json:
        write_json(row.model_dump(mode="json") for row in rows)
        return
    write_table(
        ("kind", "time", "identifier", "identifier", "identifiers"),
        ((r.kind, r.at, r.one.identifier, r.other.identifier if r.other else None, r.identifiers) for r in rows),
    )
