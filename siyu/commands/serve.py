"""`siyu up`, and its roles one by one: `siyu collect`, `siyu stitch`, `siyu api`."""

import typer

from siyu import serving
from siyu.system import opened
from siyu.terminal import Exit


def stitch() -> None:
    """Run a stitcher and the relay until SIGTERM; any number of them may run, on any number of hosts."""
    with opened() as system:
        went_well = serving.stitch(system)
    if not went_well:
        raise typer.Exit(Exit.FAILED)
