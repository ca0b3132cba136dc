"""`siyu ingest`: files of events into the log."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from core.database import transaction
from core.event import Trust
from core.keys import Key, Scope
from core.log.port import EVENTS, Positions
from ingest import mappings
from ingest.files import STDIN, Form, Report, ingest_file
from ingest.layout import Layout, read_layout
from siyu import terminal, trying
from siyu.serving import receiver_of
from siyu.system import System, opened
from siyu.terminal import Exit, answering, err, fail, say, write_json
from stitcher.worker import GROUP

CORES = os.cpu_count() or 1
IMPORT = Key("import", frozenset({Scope.EVENTS_WRITE}), "import", Trust.IMPORT)


def ingest(
    files: Annotated[list[str], typer.Argument(help="NDJSON or CSV files; `-` is standard input")],
    channel: Annotated[str | None, typer.Option(help="the channel of events that name none")] = None,
    mapping: Annotated[
        str | None, typer.Option(help="how a CSV is to be read: a TOML or JSON file, or a saved one")
    ] = None,
    form: Annotated[Form | None, typer.Option("--format", help="where the name of the file does not tell")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="return when all is stitched")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would come of it")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="of a --dry-run")] = False,
    stitchers: Annotated[int, typer.Option(min=1, max=64, help="to start for --wait where none runs")] = CORES,
) -> None:
    """Bring files of events into the log; what is rejected goes to FILE.rejected.ndjson with the reason."""
    for name in files:
        if name != STDIN and not Path(name).is_file():
            raise fail(f"there is no file {name}", Exit.NOT_FOUND)
    if dry_run:
        _try(files, form, mapping, channel, as_json=as_json)
        return
    with opened() as system, _somebody_stitching(system, stitchers if wait else 0):
        layout = _layout(system, mapping, channel)
        reports = [_ingest_one(system, name, form, layout) for name in files]
        if wait:
            _wait(system, _ends(reports))
    rejected = sum(report.rejected for report in reports)
    err.print(f"{say('accepted')} {sum(r.accepted for r in reports)}, {say('rejected')} {rejected}")
    for report in reports:
        if report.rejects:
            err.print(f"{say('rejects are in')} {report.rejects}")
    if rejected:
        raise typer.Exit(Exit.PARTLY)


def _try(names: Sequence[str], form: Form | None, mapping: str | None, channel: str | None, *, as_json: bool) -> None:
    with opened() as system:
        layout = _layout(system, mapping, channel)
        tried = [trying.tried(system, name, IMPORT, form, layout) for name in names]
    if as_json:
        write_json(map(trying.row, tried))
    else:
        for each in tried:
            trying.write(each)
    if any(each.trial.rejected for each in tried):
        raise typer.Exit(Exit.PARTLY)


def _layout(system: System, mapping: str | None, channel: str | None) -> Layout:
    """Return how files are to be read. A file is preferred to a mapping that is saved under its name."""
    layout = Layout()
    if mapping and Path(mapping).is_file():
        layout = read_layout(Path(mapping))
    elif mapping:
        with transaction(system.engine) as connection, answering():
            layout = mappings.found(connection, mapping).layout
    return replace(layout, constants={**layout.constants, "channel": channel}) if channel else layout


def _ingest_one(system: System, name: str, form: Form | None, layout: Layout) -> Report:
    size = None if name == STDIN else Path(name).stat().st_size
    with terminal.progress("reading", size) as bar:
        return ingest_file(
            name,
            receiver=receiver_of(system),
            key=IMPORT,
            log=system.log,
            form=form,
            layout=layout,
            progress=lambda p: bar.update(bar.task_ids[0], completed=p.bytes_done),
        )


def _ends(reports: Sequence[Report]) -> Positions:
    partitions = {partition for report in reports for partition in report.ends}
    return {p: max(report.ends[p] for report in reports if p in report.ends) for p in partitions}


def _wait(system: System, ends: Positions) -> None:
    behind = total = _missing(system, ends)
    with terminal.progress("waiting for the stitcher", total) as bar:
        while behind:
            time.sleep(0.05)
            behind = _missing(system, ends)
            bar.update(bar.task_ids[0], completed=total - behind)


def _missing(system: System, ends: Positions) -> int:
    done = system.log.committed(EVENTS, GROUP)
    return sum(max(0, end - done.get(partition, 0)) for partition, end in ends.items())


@contextmanager
def _somebody_stitching(system: System, most: int) -> Iterator[None]:
    """Where nobody stitches, somebody must while we wait: in processes of their own, so that all cores have work."""
    needed = 0 if system.log.members(EVENTS, GROUP) else most
    command = [sys.executable, "-m", "siyu", "stitch"]
    stitchers = [subprocess.Popen(command, env=os.environ) for _ in range(needed)]  # noqa: S603 - ourselves
    try:
        yield
    finally:
        for stitcher in stitchers:
            stitcher.terminate()
        for stitcher in stitchers:
            stitcher.wait()
