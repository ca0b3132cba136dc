"""`siyu rebuild`: people and profiles again from the evidence, or only a look whether they are as it says."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from core.database import transaction
from core.identifier import Identifier
from profiles import masking
from siyu.looking import written_down
from siyu.system import opened
from siyu.terminal import Exit, out, say, write_json, write_table
from stitcher import examination
from stitcher import rebuild as making
from stitcher.examination import Report, Sample


class Engine(StrEnum):
    """What it is done with."""

    LOCAL = "local"


def rebuild(
    check: Annotated[
        bool, typer.Option("--check", help="only compare, and write nothing; exit code 1 if different")
    ] = False,
    engine: Annotated[Engine, typer.Option(help="what it is done with")] = Engine.LOCAL,  # noqa: ARG001 - there is one yet
    as_json: Annotated[bool, typer.Option("--json")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="identifiers in full, not masked")] = False,
) -> None:
    """Read all recorded events again, and let people and profiles be what comes of them. Stitchers wait meanwhile."""
    with opened() as system:
        written_down(system, "rebuild", clear=clear, check=check)
        if check:
            with system.engine.connect() as connection:
                report = examination.check(connection, system.rules, system.index)
        else:
            with transaction(system.engine) as connection:
                report = making.rebuild(connection, system.rules, system.index, system.clock())
    if as_json:
        write_json([_row(report, clear=clear)])
    else:
        _write(report, clear=clear)
    if check and report.differences:
        raise typer.Exit(Exit.FAILED)


def _row(report: Report, *, clear: bool) -> dict[str, Any]:
    return {
        "events": report.events,
        "identifiers": report.identifiers,
        "links": report.links,
        "people": report.people,
        "differences": dict(report.differences),
        "samples": [_sample(each, clear=clear) for each in report.samples],
    }


def _sample(of: Sample, *, clear: bool) -> dict[str, Any]:
    return {
        "what": of.what,
        "identifiers": [_shown(each, clear=clear) for each in of.identifiers],
        "id": of.id,
        "kept": of.kept,
        "expected": of.expected,
    }


def _shown(identifier: Identifier, *, clear: bool) -> str:
    return identifier.text if clear else masking.identifier(identifier)


def _write(report: Report, *, clear: bool) -> None:
    counts = {
        "events": report.events,
        "identifiers": report.identifiers,
        "links": report.links,
        "people": report.people,
    }
    out.print(", ".join(f"{count} {say(name)}" for name, count in counts.items()))
    if not report.differences:
        out.print(say("nothing is different"))
        return
    write_table(("different", "times"), report.differences.items())
    rows = (_sample(each, clear=clear) for each in report.samples)
    write_table(
        ("what", "identifiers", "kept", "expected"),
        ((r["what"], ", ".join(r["identifiers"]) or r["id"], r["kept"], r["expected"]) for r in rows),
    )
