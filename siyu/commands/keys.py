"""`siyu keys`: who may send events, and who may ask what."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from core import keys
from core.clock import system_clock
from core.database import transaction
from core.event import Trust
from core.keys import GRACE_HOURS_MAX, Key, Role, Scope
from siyu.looking import noted, user
from siyu.system import opened
from siyu.terminal import answering, err, out, say, write_json, write_table

app = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="the id that `siyu keys list` shows")]
AsJson = Annotated[bool, typer.Option("--json")]

_DAYS = re.compile(r"(\d{1,4})d")


def _expiry(written: str) -> datetime:
    if days := _DAYS.fullmatch(written):
        return system_clock() + timedelta(days=int(days[1]))
    return datetime.fromisoformat(written).astimezone()


@app.command()
def create(
    scope: Annotated[list[Scope] | None, typer.Option(help="what it may do; may be given several times")] = None,
    role: Annotated[Role | None, typer.Option(help="what its owner does: the scopes that this takes")] = None,
    name: Annotated[str | None, typer.Option(help="whose it is, or what for; else the source")] = None,
    source: Annotated[str | None, typer.Option(help="as which source it sends events; else the name")] = None,
    trust: Annotated[Trust, typer.Option(help="how far its events are believed")] = Trust.SERVER,
    expires: Annotated[
        datetime | None,
        typer.Option(parser=_expiry, metavar="TIME", help="when it ends: 90d, 2027-01-01, 2027-01-01T12:00+08:00"),
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option(help="of which its events may name identifiers; any: all")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its secret is shown this once and kept nowhere."""
    called = name or source
    if not called:
        raise typer.BadParameter("name it by --name, or by --source")
    if not scope and not role:
        raise typer.BadParameter("say by --role, or by --scope, what it may do")
    with opened() as system, answering(), transaction(system.engine) as connection:
        for each in namespace or ():
            if each not in system.rules.namespaces:
                raise typer.BadParameter(f"the rules know no namespace {each}")
        secret, key = keys.create(
            connection,
            scope or (),
            source or called,
            trust,
            system.clock(),
            namespace or None,
            role=role,
            name=called,
            expires_at=expires,
            by=f"cli:{user()}",
        )
        noted(system, connection, "keys create", key_id=key.id)
    _write_secret(secret, key, as_json=as_json)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, revoked and expired ones too, without their secrets."""
    with opened() as system, system.engine.connect() as connection:
        rows = [_row(key) for key in keys.listing(connection)]
    if as_json:
        write_json(rows)
        return
    columns = ("id", "name", "role", "scopes", "prefix", "last_used_at", "expires_at", "revoked_at")
    write_table(columns, ((_cell(row[column]) for column in columns) for row in rows))


@app.command()
def revoke(key_id: KeyId) -> None:
    """Revoke a key for good; running services notice within ten seconds."""
    with opened() as system, answering(), transaction(system.engine) as connection:
        keys.revoke(connection, key_id, system.clock())
        noted(system, connection, "keys revoke", key_id=key_id)


@app.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[
        int, typer.Option(min=0, max=GRACE_HOURS_MAX, help="for how long the secret until now opens it too")
    ] = 24,
    as_json: AsJson = False,
) -> None:
    """Give a key another secret, which is shown this once."""
    with opened() as system, answering(), transaction(system.engine) as connection:
        secret, key = keys.rotate(connection, key_id, timedelta(hours=grace_hours), system.clock())
        noted(system, connection, "keys rotate", key_id=key_id)
    _write_secret(secret, key, as_json=as_json)


def _write_secret(secret: str, key: Key, *, as_json: bool) -> None:
    if as_json:
        write_json([{"key": secret, **_row(key)}])
    else:
        out.print(secret)
        err.print(f"{say('key')} {key.id}: {say('it is shown only once')}")


def _row(key: Key) -> Mapping[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "scopes": sorted(key.scopes),
        "source": key.source,
        "trust": key.trust.value,
        "namespaces": sorted(key.namespaces) if key.namespaces is not None else None,
        "prefix": key.prefix,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "former_secret_until": key.former_until,
    }


def _cell(value: object) -> object:
    match value:
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case list():
            return " ".join(value)
        case _:
            return value
