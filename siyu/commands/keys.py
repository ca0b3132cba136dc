"""`siyu keys`: who may send events, and who may ask what."""

from typing import Annotated

import typer

from core import keys
from core.database import transaction
from core.errors import NotFound
from core.event import Trust
from core.keys import Scope
from siyu.system import opened
from siyu.terminal import Exit, err, fail, out, say, write_json, write_table

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    scope: Annotated[list[Scope], typer.Option(help="what it may do; may be given several times")],
    source: Annotated[str, typer.Option(help="as which source it sends events")],
    trust: Annotated[Trust, typer.Option(help="how far its events are believed")] = Trust.SERVER,
    namespace: Annotated[
        list[str] | None, typer.Option(help="of which its events may name identifiers; any: all")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Make a key. Its secret is shown this once and kept nowhere."""
    with opened() as system, transaction(system.engine) as connection:
        for name in namespace or ():
            if name not in system.rules.namespaces:
                raise typer.BadParameter(f"the rules know no namespace {name}")
        secret, key = keys.create(connection, scope, source, trust, system.clock(), namespace or None)
    if as_json:
        row = {"key": secret, "id": key.id, "scopes": sorted(key.scopes), "source": source, "trust": trust.value}
        write_json([row])
    else:
        out.print(secret)
        err.print(f"{say('key')} {key.id}: {say('it is shown only once')}")


@app.command("list")
def list_keys(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List all keys, revoked ones too, without their secrets."""
    with opened() as system, system.engine.connect() as connection:
        found = keys.listing(connection)
    rows = [
        {
            "id": key.id,
            "scopes": sorted(key.scopes),
            "source": key.source,
            "trust": key.trust.value,
            "namespaces": sorted(key.namespaces) if key.namespaces is not None else None,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
        for key in found
    ]
    if as_json:
        write_json(rows)
    else:
        write_table(
            ("id", "scopes", "source", "trust", "namespaces", "created_at", "revoked_at"),
            (row.values() for row in rows),
        )


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="the id that `siyu keys list` shows")]) -> None:
    """Revoke a key for good; running services notice within ten seconds."""
    try:
        with opened() as system, transaction(system.engine) as connection:
            keys.revoke(connection, key_id, system.clock())
    except NotFound as error:
        raise fail(str(error), Exit.NOT_FOUND) from None
