"""A directive on its way: looked at, brought into the log, and waited for until the stitcher has carried it out.

The log has it before anybody acts on it, so that a replay decides the same again. Whoever waits reads the table in which the
stitcher writes down what it has done.
"""

import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from core import cloudevents
from core import directive as language
from core.database import transaction
from core.directive import Directive
from core.errors import InvalidEvent, NotFound
from core.identifier import BlindIndex
from core.log.port import DIRECTIVES, Log, Record
from stitcher import carrying_out, directives
from stitcher.carrying_out import Preview
from stitcher.directives import Recorded
from stitcher.rules import Rules
from stitcher.worker import again_where_contended

WAIT_SECONDS_MAX = 10.0
POLL_SECONDS = 0.05
PREVIEW_ATTEMPTS_MAX = 5

_KEY = "directives"  # one for all, so that they stand in one partition, in the order in which they were brought

Publish = Callable[[Directive], None]
"""Brings a directive into the log; raises `Unavailable`."""


def publisher(log: Log) -> Publish:
    """Return what brings directives into *log*."""
    return lambda directive: _append(log, directive)


def _append(log: Log, directive: Directive) -> None:
    headers = cloudevents.attributes(directive.id, DIRECTIVES, directive.decided_at, _KEY)
    log.append(DIRECTIVES, [Record(_KEY, language.encode(directive), headers)])


def decide(engine: Engine, publish: Publish, directive: Directive, rules: Rules) -> None:
    """Bring *directive* into the log, unless it is known.

    Raises `NotFound` and `Refused` as `carrying_out.check` does; `InvalidEvent`, with a pointer, for an identifier that by the
    *rules* never links anybody; and `Unavailable`, after which it may be there all the same: brought once more, it changes
    nothing.
    """
    if _recorded(engine, directive) is None:
        _check(engine, directive, rules)
        publish(directive)


def preview(engine: Engine, directive: Directive, rules: Rules, index: BlindIndex, now: datetime) -> Preview:
    """Say what *directive* would change. Raises what `decide` raises, and `Contended` where others are always in the way."""
    _check(engine, directive, rules)
    for attempt in again_where_contended(PREVIEW_ATTEMPTS_MAX):
        with attempt:
            told = carrying_out.preview(engine, directive, rules, index, now)
    return told


def awaited(engine: Engine, directive: Directive, seconds_max: float) -> Recorded:
    """Wait until *directive* is carried out, at most *seconds_max*, and return what has become of it by then."""
    until = time.monotonic() + seconds_max
    while True:
        recorded = _recorded(engine, directive) or Recorded(directive, in_force=True, carried_out_at=None)
        if recorded.carried_out_at or time.monotonic() >= until:
            return recorded
        time.sleep(POLL_SECONDS)


def _check(engine: Engine, directive: Directive, rules: Rules) -> None:
    for position, identifier in enumerate(directive.identifiers):
        namespace = rules.namespaces.get(identifier.namespace)
        if namespace is None or namespace.kind == "hint":
            raise InvalidEvent("never_links", "identifiers of this namespace link nobody", f"/identifiers/{position}")
    with transaction(engine) as connection:
        carrying_out.check(connection, directive)


def _recorded(engine: Engine, directive: Directive) -> Recorded | None:
    with transaction(engine) as connection:
        try:
            return directives.found(connection, directive.id)
        except NotFound:
            return None
