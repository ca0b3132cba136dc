"""`siyu mappings`: how the files of a sender are to be read, kept under a name."""

from pathlib import Path
from typing import Annotated

import typer

from core.database import transaction
from ingest import mappings
from ingest.layout import written_in
from siyu.system import opened
from siyu.terminal import Exit, answering, err, fail, say, write_json, write_table

app = typer.Typer(help="Save, list and forget mappings of CSV files.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="small letters, digits, - and _")]
AsJson = Annotated[bool, typer.Option("--json")]


@app.command()
def save(name: Name, file: Annotated[Path, typer.Argument(help="TOML or JSON")]) -> None:
    """Save a mapping under a name, in place of what was saved there."""
    if not file.is_file():
        raise fail(f"there is no file {file}", Exit.NOT_FOUND)
    with opened() as system, transaction(system.engine) as connection:
        mappings.save(connection, name, written_in(file), system.clock())
    err.print(f"{say('saved')}: siyu ingest FILE --mapping {name}", markup=False)


@app.command("list")
def listing(as_json: AsJson = False) -> None:
    """List the mappings that are saved."""
    with opened() as system, transaction(system.engine) as connection:
        saved = mappings.listing(connection)
    if as_json:
        write_json({"name": each.name, "saved_at": each.saved_at, **each.written} for each in saved)
    else:
        write_table(
            ("name", "saved", "columns"),
            ((s.name, f"{s.saved_at:%Y-%m-%d %H:%M}", ", ".join(s.layout.columns or ())) for s in saved),
        )


@app.command()
def show(name: Name) -> None:
    """Write a mapping to stdout, as JSON."""
    with opened() as system, transaction(system.engine) as connection, answering():
        write_json([mappings.found(connection, name).written])


@app.command()
def delete(name: Name) -> None:
    """Forget a mapping. What was ingested by it stays."""
    with opened() as system, answering(), transaction(system.engine) as connection:
        mappings.forget(connection, name)
