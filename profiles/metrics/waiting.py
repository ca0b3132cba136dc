"""Response time: how long people wait for an answer, from when they ask until the next one. Pure.

Who asks again while he waits still waits for the same answer: his wait began when he first asked.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profiles.metrics.deeds import SECOND, Deeds
from profiles.metrics.rates import Part

ASKING = frozenset({"support.opened", "official_account.messaged", "form.submitted"})
ANSWERED = "support.answered"


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits that began by events of a *type* (`None`: of any): of how many *people*, how many were *answered*, and
    after how many *seconds* half and nine in ten of those were (`None`: none was)."""

    type: str | None
    people: int
    answered: Part
    p50_seconds: float | None
    p90_seconds: float | None


def waits(deeds: Deeds, until: int) -> Sequence[Waits]:
    """Return the waits that began before *until*: all of them, and by the type of event that began them."""
    types = deeds.words["type"]
    at, names = deeds.at.tolist(), [types.names[code] for code in types.code.tolist()]
    found: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for person, rows in deeds.by_person():
        for type_, seconds in _of_person(at[rows], names[rows], until):
            found[type_].append((person, seconds))
    everything = [wait for own in found.values() for wait in own]
    return [_waits(None, everything), *(_waits(type_, own) for type_, own in sorted(found.items()))]


def _of_person(at: Sequence[int], types: Sequence[str], until: int) -> Sequence[tuple[str, int | None]]:
    """Return by what each wait of one person began, and how long it was; `None`: it goes on."""
    found: list[tuple[str, int | None]] = []
    began: tuple[int, str] | None = None
    for moment, type_ in zip(at, types, strict=True):
        if type_ != ANSWERED:
            began = began or ((moment, type_) if moment < until else None)
        elif began:
            found.append((began[1], moment - began[0]))
            began = None
    return [*found, (began[1], None)] if began else found


def _waits(type_: str | None, of: Sequence[tuple[int, int | None]]) -> Waits:
    times = [time for _, time in of if time is not None]
    p50, p90 = (np.quantile(times, (0.5, 0.9)) / SECOND).tolist() if times else (None, None)
    return Waits(type_, len({person for person, _ in of}), Part(len(times), len(of)), p50, p90)
