"""How a dry run of `siyu ingest` is made and told: what would be taken, what rejected, and what it would do to people."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.keys import Key
from ingest.files import STDIN, Form
from ingest.layout import Layout
from ingest.trying import Trial, try_file
from siyu import terminal
from siyu.serving import receiver_of
from siyu.system import System
from siyu.terminal import out, say, write_table
from stitcher.rehearsing import Rehearsal, rehearse


@dataclass(frozen=True, slots=True)
class Tried:
    """A file, what would become of its lines, and what its first events would do to people."""

    name: str
    trial: Trial
    rehearsal: Rehearsal


def tried(system: System, name: str, key: Key, form: Form | None, layout: Layout) -> Tried:
    """Try the file *name* out. Nothing of it stays: neither in the log nor in the database."""
    size = None if name == STDIN else Path(name).stat().st_size
    with terminal.progress("reading", size) as bar:
        trial = try_file(
            name,
            receiver=receiver_of(system),
            key=key,
            form=form,
            layout=layout,
            progress=lambda done: bar.update(bar.task_ids[0], completed=done),
        )
    return Tried(name, trial, rehearse(system.engine, trial.sample, system.rules, system.index, system.clock()))


def row(of: Tried) -> Mapping[str, Any]:
    """Return what is told of a file as one object."""
    trial = of.trial
    return {
        "file": of.name,
        "valid": trial.valid,
        "rejected": [
            {"code": code, "lines": lines, "examples": [asdict(example) for example in trial.examples[code]]}
            for code, lines in trial.rejected.most_common()
        ],
        "dropped": [
            {"namespace": namespace, "reason": reason, "identifiers": count}
            for (namespace, reason), count in trial.dropped.most_common()
        ],
        "hints": dict(trial.hints.most_common()),
        "people": asdict(of.rehearsal),
        "is_sampled": trial.is_sampled,
    }


def write(of: Tried) -> None:
    """Write the same for a person."""
    told = of.rehearsal
    out.print(of.name, markup=False)
    write_table(("", "", ""), _lines(of.trial))
    if of.trial.is_sampled:
        out.print(f"{say('of people, by the first events only')}: {told.events}")
    write_table(
        ("known already", "people created", "people touched", "people merged"),
        [(told.known, told.created, told.touched, told.merged)],
    )


def _lines(trial: Trial) -> Iterator[tuple[object, ...]]:
    yield say("valid"), trial.valid, ""
    for code, lines in trial.rejected.most_common():
        first = trial.examples[code][0]
        yield f"{say('rejected')}: {code}", lines, f"{say('line')} {first.line}: {first.pointer} {first.detail}"
    for (namespace, reason), count in trial.dropped.most_common():
        yield f"{say('identifiers dropped')}: {namespace}", count, reason
    for namespace, count in trial.hints.most_common():
        yield f"{say('identifiers that link nothing')}: {namespace}", count, ""
