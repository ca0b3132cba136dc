"""`siyu rules`: by what rules identifiers become people, and what other rules would change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from core.identifier import Identifier
from profiles import masking
from siyu.looking import written_down
from siyu.system import opened, rules_in_force
from siyu.terminal import Exit, fail, out, say, write_json, write_table
from stitcher import previewing
from stitcher import rules as language
from stitcher.previewing import RulesPreview, Sample

app = typer.Typer(help="The rules by which identifiers become people.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json")]
Clear = Annotated[bool, typer.Option("--clear", help="identifiers in full, not masked")]


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show the rules in force, each with what it says."""
    rules = rules_in_force()
    if as_json:
        write_json([language.plain(rules)])
        return
    rows = [(name, value, language.MEANINGS[name]) for name, value in language.plain(rules).items()]
    write_table(("rule", "value", "meaning"), ((n, _short(v), m) for n, v, m in rows if not isinstance(v, Mapping)))
    for name, value, meaning in rows:
        if name == "robots":
            out.print(f"\n{name}: {meaning}", markup=False)
            own = ((n, _short(each), language.ROBOTS[n]) for n, each in value.items())
            write_table(("rule", "value", "meaning"), own)
        elif isinstance(value, Mapping):
            out.print(f"\n{name}: {meaning}", markup=False)
            columns = list(dict.fromkeys(column for each in value.values() for column in each))
            write_table(("", *columns), ((n, *(_short(each.get(c)) for c in columns)) for n, each in value.items()))


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(help="other rules, written like stitcher/rules.toml")],
    as_json: AsJson = False,
    clear: Clear = False,
) -> None:
    """Say what other rules would change, over all evidence, without a write."""
    if not file.is_file():
        raise fail(f"there is no file {file}", Exit.NOT_FOUND)
    rules = language.read(file.read_text(encoding="utf-8"))
    with opened() as system, system.engine.connect() as connection:
        written_down(system, "rules preview", clear=clear)
        told = previewing.preview(connection, rules, system.index)
    if as_json:
        write_json([_row(told, clear=clear)])
    else:
        _write(told, clear=clear)


def _row(told: RulesPreview, *, clear: bool) -> dict[str, Any]:
    samples = {name: [_sample(each, clear=clear) for each in getattr(told, name)] for name in ("merges", "splits")}
    return {**asdict(told), **samples}


def _sample(of: Sample, *, clear: bool) -> dict[str, list[list[str]]]:
    return {name: [_shown(person, clear=clear) for person in getattr(of, name)] for name in ("before", "after")}


def _shown(identifiers: Iterable[Identifier], *, clear: bool) -> list[str]:
    return [each.text if clear else masking.identifier(each) for each in identifiers]


def _write(told: RulesPreview, *, clear: bool) -> None:
    before, after = told.before, told.after
    rows: list[tuple[object, ...]] = [
        ("people", before.people, after.people),
        ("reached", before.reached, after.reached),
    ]
    rows += [
        (name, *_both(before.standings, after.standings, name)) for name in _names(before.standings, after.standings)
    ]
    rows += [
        (f"refused: {name}", *_both(before.refused, after.refused, name))
        for name in _names(before.refused, after.refused)
    ]
    rows += [
        (f"events: {name}", *_both(before.verdicts, after.verdicts, name))
        for name in _names(before.verdicts, after.verdicts)
    ]
    write_table(("", "before", "after"), rows)
    out.print(f"{told.merged} {say('merges')}, {told.split} {say('splits')}, {told.moved} {say('identifiers moved')}")
    for each in (*told.merges, *told.splits):
        sides = [" | ".join(", ".join(_shown(p, clear=clear)) for p in side) for side in (each.before, each.after)]
        out.print(f"  {sides[0]}  →  {sides[1]}", markup=False)


def _names(one: Mapping[str, int], other: Mapping[str, int]) -> Sequence[str]:
    return sorted({*one, *other})


def _both(one: Mapping[str, int], other: Mapping[str, int], name: str) -> tuple[int, int]:
    return one.get(name, 0), other.get(name, 0)


def _short(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
