"""`siyu db`, `siyu config`, `siyu doctor`: is everything as it should be?"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import text

from api.webhooks import store as webhooks
from core import analysts, database, keys, quarantine, settings
from core.errors import SiyuError
from core.log.port import EVENTS
from siyu.system import System, opened
from siyu.terminal import Exit, out, say, write_json, write_table
from stitcher.worker import GROUP

_UNUSED = timedelta(days=90)

db = typer.Typer(help="The database schema.", no_args_is_help=True)
config = typer.Typer(help="The settings in force.", no_args_is_help=True)


@db.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date; harmless when it is."""
    with opened():
        out.print(say("schema is up to date"))


@db.command("status")
def status(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Say which migration the database is at, and which is the newest."""
    with opened() as system, system.engine.connect() as connection:
        current, newest = database.schema_version(connection)
    rows = [{"current": current, "newest": newest, "up_to_date": current == newest}]
    if as_json:
        write_json(rows)
    else:
        write_table(rows[0], [rows[0].values()])


@db.command("analyst")
def analyst() -> None:
    """Make the role that reads the views for analysts and no table, and say how to let somebody in. Harmless to repeat."""
    with opened() as system:
        with database.transaction(system.engine) as connection:
            analysts.admit(connection)
        name = system.engine.url.database
    out.print(f"CREATE ROLE anna LOGIN PASSWORD '…' IN ROLE {analysts.ROLE};", markup=False)
    out.print(f'GRANT CONNECT ON DATABASE "{name}" TO anna;', markup=False)
    out.print(f"ALTER ROLE anna SET search_path = {analysts.SCHEMA};", markup=False)
    out.print("ALTER ROLE anna SET statement_timeout = '5min';", markup=False)


@config.command("show")
def show(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show every setting, where secrets are only said to be set."""
    chosen = settings.load()
    rows = [
        {
            "setting": f"{settings.PREFIX}{name.upper()}",
            "value": _shown(getattr(chosen, name)),
            "meaning": field.description,
        }
        for name, field in type(chosen).model_fields.items()
    ]
    if as_json:
        write_json(rows)
    else:
        write_table(("setting", "value", "meaning"), (row.values() for row in rows))


def _shown(value: object) -> str | None:
    return None if value is None else str(value)


def doctor(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Look for what is wrong: database, schema, log, lag, quarantine. Exit code 1 where something is."""
    with opened() as system:
        rows = [_examined(name, examine, system) for name, examine in _EXAMINATIONS]
    if as_json:
        write_json(rows)
    else:
        write_table(("check", "ok", "found"), (row.values() for row in rows))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(Exit.FAILED)


def _examined(name: str, examine: Callable[[System], str], system: System) -> dict[str, object]:
    try:
        return {"check": name, "ok": True, "found": examine(system)}
    except SiyuError as error:
        return {"check": name, "ok": False, "found": str(error)}


def _database(system: System) -> str:
    with system.engine.connect() as connection:
        return f"PostgreSQL {connection.execute(text('SHOW server_version')).scalar_one()}"


def _schema(system: System) -> str:
    with system.engine.connect() as connection:
        current, newest = database.schema_version(connection)
    if current != newest:
        raise SiyuError(f"the schema is at {current}, not {newest}: run `siyu db upgrade`")
    return str(current)


def _log(system: System) -> str:
    system.log.check()
    return system.settings.log_url.partition(":")[0]


def _lag(system: System) -> str:
    done = system.log.committed(EVENTS, GROUP)
    waiting = sum(end - done.get(partition, 0) for partition, end in system.log.ends(EVENTS).items())
    if waiting and not system.log.members(EVENTS, GROUP):
        raise SiyuError(f"{waiting} events wait and no stitcher runs: start `siyu stitch` or `siyu up`")
    return f"{waiting} events wait"


def _quarantine(system: System) -> str:
    with system.engine.connect() as connection:
        kept = quarantine.size(connection)
    if kept:
        raise SiyuError(f"{kept} records could not be taken: they are in the table `quarantine` with their reasons")
    return "empty"


def _webhooks(system: System) -> str:
    with system.engine.connect() as connection:
        disabled, dead = webhooks.counts(connection)
    if disabled or dead:
        raise SiyuError(f"{disabled} are disabled, {dead} deliveries were given up: siyu webhooks list")
    return "all of them take what is sent"


def _keys(system: System) -> str:
    """A key that nobody uses is no fault, but one to revoke."""
    now = system.clock()
    with system.engine.connect() as connection:
        good = [key for key in keys.listing(connection) if not key.is_over(now)]
    unused = [key for key in good if max(filter(None, (key.created_at, key.last_used_at)), default=now) < now - _UNUSED]
    return f"{len(good)} are good, {len(unused)} of them not used for {_UNUSED.days} days: siyu keys list"


_EXAMINATIONS: tuple[tuple[str, Callable[[System], str]], ...] = (
    ("database", _database),
    ("schema", _schema),
    ("log", _log),
    ("lag", _lag),
    ("quarantine", _quarantine),
    ("webhooks", _webhooks),
    ("keys", _keys),
)
