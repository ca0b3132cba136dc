"""`siyu up`, and its roles one by one: `siyu collect`, `siyu stitch`, `siyu api`."""

from collections.abc import Collection
from typing import Annotated

import typer

from siyu import serving
from siyu.serving import Role
from siyu.system import opened
from siyu.terminal import Exit, err, say


def up(
    role: Annotated[str, typer.Option(help="which parts to run, separated by commas")] = "collect,stitch,api",
) -> None:
    """Run everything in one process, on embedded PostgreSQL unless told otherwise, until SIGTERM."""
    try:
        roles = {Role(each.strip()) for each in role.split(",")}
    except ValueError:
        raise typer.BadParameter("a role is one of collect, stitch, api") from None
    _serve(roles)


def collect() -> None:
    """Run the collectors alone: events over HTTP into the log."""
    _serve({Role.COLLECT})


def api() -> None:
    """Run the API alone."""
    _serve({Role.API})


def stitch() -> None:
    """Run a stitcher and the relay until SIGTERM; any number of them may run, on any number of hosts."""
    with opened() as system:
        if not serving.stitch(system):
            raise typer.Exit(Exit.FAILED)


def _serve(roles: Collection[Role]) -> None:
    if roles == {Role.STITCH}:
        stitch()
        return
    with opened() as system:
        if not serving.serve(system, roles, _announce):
            raise typer.Exit(Exit.FAILED)
    err.print(say("stopped"))


def _announce(address: str) -> None:
    err.print(f"{say('ready')}: {address} · {address}/docs")
