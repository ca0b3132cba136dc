"""Events and summaries of people as relations, and what of an event is as it is wanted, in SQL."""

import string
from collections.abc import Callable, Collection, Iterator

from profiles.values import Value, lower

# Events and summaries under identifiers that are somebody's. Those of robots, and those taken back, stand under nobody.
OWN = "touchpoint JOIN identifier AS owner ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3)"
SUMMARIES = "summary JOIN identifier AS owner ON owner.id = summary.identifier_id AND owner.standing IN (0, 3)"

Given = Callable[[object], str]
"""Takes a value among the parameters of a statement, and returns what stands for it."""


def is_as(value: str, wanted: Value, given: Given) -> str:
    """Return what says in SQL whether the JSON *value* is as *wanted*; see `profiles.values`."""
    kind, written = f"json_typeof({value})", f"({value} #>> '{{}}')"
    said = [f"coalesce({kind}, 'null') <> 'null'"]
    if wanted.min is not None:
        said.append(f"CASE WHEN {kind} = 'number' THEN CAST({written} AS float8) >= {given(wanted.min)} ELSE false END")
    if wanted.max is not None:
        said.append(f"CASE WHEN {kind} = 'number' THEN CAST({written} AS float8) <= {given(wanted.max)} ELSE false END")
    if wanted.is_in is not None:
        said.append(f"({kind} || ' ' || {written}) = ANY({given(sorted(_written(wanted.is_in)))})")
    if wanted.contains is not None:
        small = f"translate({written}, '{string.ascii_uppercase}', '{string.ascii_lowercase}')"
        said.append(
            f"CASE WHEN {kind} = 'string' THEN position({given(lower(wanted.contains))} IN {small}) > 0 ELSE false END"
        )
    return " AND ".join(said)


def text_at(path: str) -> str:
    """Return what is the text in the event at *path*; NULL where there is none, or an empty one."""
    return f"CASE WHEN json_typeof(body #> {path}) = 'string' THEN nullif(body #>> {path}, '') END"


def _written(values: Collection[str | int | bool]) -> Iterator[str]:
    """Return *values* as JSON has them, with their kind: what is 1 is true as well, and the other way round."""
    for value in values:
        if isinstance(value, str):
            yield f"string {value}"
        else:
            yield f"number {int(value)}"
            if int(value) in (0, 1):
                yield f"boolean {str(bool(value)).lower()}"
