"""Defining segments, layers and stages: what may be defined, and what has to be looked at anew for it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection

from core.errors import Refused
from profiles.segments import rulesets, store
from profiles.segments.rulesets import Kind, RuleSet


def add(connection: Connection, rules: RuleSet, by: str, now: datetime) -> None:
    """Define *rules*. Raises `InvalidEvent` where they refer to what is not there, and `Refused` where the name is taken."""
    store.lock(connection)
    rulesets.conditions(rules, store.standing_sets(connection))
    store.add(connection, rules, by, now)


def change(connection: Connection, rules: RuleSet, version: int | None, by: str, now: datetime) -> None:
    """Put *rules* in the place of those of the same name (at *version*); all who refer to them are looked at anew.

    Raises as `add`, and `NotFound`; also where others, which refer to these, would come to nothing.
    """
    store.lock(connection)
    others = {**store.standing_sets(connection), rules.name: rules}
    for each in others.values():
        rulesets.conditions(each, others)
    store.change(connection, rules, version, by, now)
    store.refill(connection, _referring(rules.name, others))


def remove(connection: Connection, name: str, kinds: Collection[Kind], by: str, now: datetime) -> None:
    """Remove what is called *name*. Raises `NotFound`, and `Refused` while others refer to it."""
    store.lock(connection)
    referring = _referring(name, store.standing_sets(connection))
    store.one(connection, name, kinds)
    if referring:
        raise Refused(f"{', '.join(sorted(referring))} refer to it")
    store.remove(connection, name, kinds, by, now)


def _referring(name: str, sets: Mapping[str, RuleSet]) -> set[str]:
    """Return what among *sets* refers to *name*, by way of others too."""
    found: set[str] = set()
    further = {name}
    while further:
        further = {each for each, of in sets.items() if not further.isdisjoint(rulesets.referred(of))} - found
        found |= further
    return found - {name}
