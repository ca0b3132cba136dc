"""The watch: who enters and leaves segments, layers and stages, as people change and as time passes.

It follows the outbox, where everybody stands who changed, and looks at them again by all rule sets; and at those of whom an
earlier look said that time alone may change where they stand. What it finds it writes and announces in one transaction: never
announced and not so, and nothing twice after a crash, since only what is written anew is announced. One watches at a time. A rule
set that is new, or another one, is first applied to everybody.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine

from core import outbox
from core.clock import Clock, system_clock
from core.database import transaction
from core.errors import Contended, InvalidEvent, Unavailable, Unstorable
from core.identifier import PersonId
from core.log.port import IDENTITY_CHANGED, PROFILE_UPDATED
from core.outbox import Announcement, Cursor, Row
from core.session import Session, turns
from profiles import leads
from profiles.intent import Intent
from profiles.scoring import Scoring
from profiles.segments import everybody, facts, judging, measuring, rulesets, store, telling
from profiles.segments.conditions import Brought, Condition, leaves
from profiles.segments.judging import Rules
from profiles.segments.rulesets import Kind, RuleSet
from profiles.segments.store import Move, Stored
from profiles.segments.telling import Reason

SINK = "segments"
LOCK = "siyu.segments"
READ_ROWS_MAX = 100
PEOPLE_MAX = 500  # looked at in one transaction
WAIT_SECONDS = 0.5
RETRY_SECONDS = 1.0

T = TypeVar("T")

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Live:
    """The rule sets that everybody was looked at by: their rules, and their conditions with nothing in them by name."""

    sets: Mapping[str, RuleSet]
    conditions: Mapping[str, Sequence[Condition]]

    @property
    def asked(self) -> Iterator[Condition]:
        """All their conditions."""
        for own in self.conditions.values():
            yield from own

    @property
    def ask_who_was_brought(self) -> bool:
        """Whether what one person does can change where another stands."""
        return any(isinstance(leaf, Brought) for each in self.asked for leaf in leaves(each))


class _Known:
    """All rule sets as they are *stored*, and the conditions of those that stay, with nothing in them by name."""

    def __init__(self, stored: Mapping[str, Stored]) -> None:
        self.stored = stored
        self.sets = {name: each.rules for name, each in stored.items() if not each.is_removed}
        self.conditions = {name: rulesets.conditions(each, self.sets) for name, each in self.sets.items()}

    @property
    def live(self) -> _Live:
        """Those that everybody was looked at by."""
        names = [name for name, each in self.stored.items() if each.is_live]
        return _Live({name: self.sets[name] for name in names}, {name: self.conditions[name] for name in names})


class Watch:
    """Keeps memberships in the database of *engine*; whose intent reaches one of *thresholds* is announced, and has a lead."""

    def __init__(
        self, engine: Engine, rules: Rules, thresholds: Collection[int] = (), clock: Clock = system_clock
    ) -> None:
        self._engine = engine
        self._rules = rules
        self._thresholds = thresholds
        self._clock = clock
        self._refused: dict[str, int] = {}

    def run(self, stop: Event) -> None:
        """Watch until *stop* is set; while another one does, wait to take over. Outages are waited out."""
        while not stop.is_set():
            try:
                with Session(self._engine, outbox.CHANNEL) as session:
                    self._follow(session, stop)
            except (Unavailable, Contended) as error:
                _logger.warning("segments.unavailable", reason=str(error))
                stop.wait(RETRY_SECONDS)

    def drain(self) -> int:
        """Look at all that is to be looked at by now, and return at how many people that was."""
        with Session(self._engine, outbox.CHANNEL) as session:
            if not session.try_lock(LOCK):
                return 0
            self._begin()
            return self._turn(Event())

    def _follow(self, session: Session, stop: Event) -> None:
        for number in turns(session, LOCK, stop, WAIT_SECONDS):
            if number == 0:
                self._begin()
            self._turn(stop)

    def _begin(self) -> None:
        """Begin with what is announced from now on, where nobody has watched before, and with the thresholds as they are."""
        with transaction(self._engine) as connection:
            if outbox.position(connection, SINK) == Cursor():
                outbox.store_position(connection, SINK, outbox.latest(connection))
            known = {name for name, each in store.all_sets(connection).items() if each.rules.kind is Kind.ALERT}
            wanted = {alert.name: alert for alert in map(rulesets.alert, self._thresholds)}
            for name in wanted.keys() - known:
                store.add(connection, wanted[name], "settings", self._clock())
            for name in known - wanted.keys():
                store.remove(connection, name, [Kind.ALERT], "settings", self._clock())
            store.refill_judged_otherwise(connection, self._rules.fingerprint)

    def _turn(self, stop: Event) -> int:
        known = self._known()
        unfilled = {name: each for name, each in known.stored.items() if self._is_to_be_filled(each)}
        for name, each in unfilled.items():
            self._try_to_fill(each, known.conditions.get(name, ()))
        live = self._known().live if unfilled else known.live
        return self._follow_changes(live, stop) + self._follow_time(live, stop)

    def _known(self) -> _Known:
        """Return all rule sets; those that ask how buyers compare are to be filled anew where buyers are others by now."""
        with transaction(self._engine) as connection:
            known = _Known(store.all_sets(connection))
            asked = {name: measuring.currencies(own) for name, own in known.conditions.items()}
            changed = self._refreshed(connection, set().union(*asked.values()))
            if not changed:
                return known
            store.refill(connection, [name for name, own in asked.items() if not own.isdisjoint(changed)])
            return _Known(store.all_sets(connection))

    def _refreshed(self, connection: Connection, currencies: Collection[str]) -> set[str]:
        try:
            return measuring.refresh(connection, currencies, self._clock()) if currencies else set()
        except InvalidEvent as error:
            _logger.error("segments.buyers", reason=str(error))
            return set()

    def _is_to_be_filled(self, of: Stored) -> bool:
        return not of.is_live and self._refused.get(of.rules.name) != of.version

    # Those who changed, and those whose time has come

    def _follow_changes(self, live: _Live, stop: Event) -> int:
        looked_at = 0
        while not stop.is_set():
            with transaction(self._engine) as connection:
                rows = outbox.read(connection, outbox.position(connection, SINK), READ_ROWS_MAX)
                concerned = _concerned(connection, rows, live) if live.sets else set()
            if not rows:
                break
            looked_at += self._look_at(concerned, live, "change")
            with transaction(self._engine) as connection:
                outbox.store_position(connection, SINK, rows[-1].cursor)
        return looked_at

    def _follow_time(self, live: _Live, stop: Event) -> int:
        looked_at = 0
        while not stop.is_set():
            with transaction(self._engine) as connection:
                people = store.due(connection, self._clock(), PEOPLE_MAX)
            if not people:
                break
            looked_at += self._look_at(set(people), live, "time")
        return looked_at

    def _look_at(self, people: Collection[PersonId], live: _Live, reason: Reason) -> int:
        for some in _parts(sorted(people), PEOPLE_MAX):
            with transaction(self._engine) as connection:
                self._judge(connection, some, live, reason)
        return len(people)

    def _judge(self, connection: Connection, people: Collection[PersonId], live: _Live, reason: Reason) -> None:
        now = self._clock()
        by = measuring.measure(connection, live.asked, self._rules, now)
        known = facts.of_people(connection, facts.present(connection, people), facts.wanted(live.asked, by), now)
        at: dict[PersonId, datetime | None] = dict.fromkeys(people)
        bands: dict[PersonId, dict[str, str]] = {person: {} for person in people}
        for person, own in known.items():
            for name, conditions in live.conditions.items():
                verdicts = [judging.judge(each, own, by) for each in conditions]
                at[person] = judging.soonest([at[person], *(verdict.until for verdict in verdicts)])
                band = next((b for b, v in zip(live.sets[name].bands, verdicts, strict=True) if v.holds), None)
                if band is not None:
                    bands[person][name] = band.name
        store.recheck(connection, at)
        self._move(connection, _moves(store.places(connection, people), bands, live), live.sets, reason, now)

    # Everybody, by rules that are new

    def _try_to_fill(self, of: Stored, conditions: Sequence[Condition]) -> None:
        """Apply a rule set to everybody, or leave it until it is another one: what one asks must not stop the others."""
        try:
            self._fill(of, conditions)
        except (InvalidEvent, Unstorable) as error:
            self._refused[of.rules.name] = of.version
            _logger.error("segments.refused", name=of.rules.name, version=of.version, reason=str(error))

    def _fill(self, of: Stored, conditions: Sequence[Condition]) -> None:
        """Apply a rule set with these *conditions* (none: it is removed) to everybody: read in one state of the database that
        holds nobody up, written part by part."""
        now = self._clock()
        with transaction(self._engine) as connection:
            by = measuring.measure(connection, conditions, self._rules, now)
        for part in everybody.differences(self._engine, of.rules, conditions, by):
            with transaction(self._engine) as connection:
                moves = [Move(of.rules.name, each.person, each.before, each.after) for each in part]
                store.recheck_sooner(connection, [(each.person, each.until) for each in part if each.until])
                self._move(
                    connection, [m for m in moves if m.before != m.after], {of.rules.name: of.rules}, "definition", now
                )
        with transaction(self._engine) as connection:
            store.mark_filled(connection, of.rules.name, of.version, now, self._rules.fingerprint)
            if of.is_removed:
                store.forget(connection, of.rules.name)
        _logger.info("segments.filled", name=of.rules.name, version=of.version)

    def _move(
        self, connection: Connection, moves: Sequence[Move], sets: Mapping[str, RuleSet], reason: Reason, now: datetime
    ) -> None:
        moved = store.move(connection, moves, now)
        alerts = [move for move in moved if sets[move.set].kind is Kind.ALERT]
        scores = (
            Scoring(self._rules.intent, now).of_people(connection, {move.person for move in alerts}) if alerts else {}
        )
        for move in alerts:
            if move.after is not None:
                leads.open_for(connection, move.person, scores[move.person], now)
        outbox.enqueue(connection, list(_announcements(moved, sets, scores, reason, now)))


def _announcements(
    moved: Iterable[Move],
    sets: Mapping[str, RuleSet],
    scores: Mapping[PersonId, Intent],
    reason: Reason,
    now: datetime,
) -> Iterator[Announcement]:
    for move in moved:
        of = sets[move.set]
        if of.kind is Kind.ALERT:
            yield telling.alerted(move, of, scores.get(move.person), now)
        else:
            yield telling.moved(move, of, reason, now)


def _concerned(connection: Connection, rows: Iterable[Row], live: _Live) -> set[PersonId]:
    """Return of whom *rows* say that he changed, and whom else that concerns."""
    changed: set[PersonId] = set()
    for each in (each for row in rows for each in row.announcements):
        if each.topic == PROFILE_UPDATED:
            changed |= {PersonId(each.key), *each.value["merged_from"]}  # type: ignore[arg-type] # keys are ids of people
        elif each.topic == IDENTITY_CHANGED:
            changed |= {PersonId(each.key), *each.value["from"], *each.value["into"]}  # type: ignore[arg-type]
    if changed and live.ask_who_was_brought:
        changed |= facts.sharers(connection, changed)
    return changed


def _moves(
    before: Mapping[PersonId, Mapping[str, store.Place]], after: Mapping[PersonId, Mapping[str, str]], live: _Live
) -> Sequence[Move]:
    found = []
    for person, bands in sorted(after.items()):
        stood = before.get(person, {})
        for name in live.sets:
            was = stood[name].band if name in stood else None
            if was != bands.get(name):
                found.append(Move(name, person, was, bands.get(name)))
    return found


def _parts(of: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(of), most):
        yield of[at : at + most]
