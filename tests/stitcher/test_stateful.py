"""The whole stitcher against PostgreSQL, step by step, with the pure function as the model of what must have come of it."""

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from core import outbox
from core.directive import Directive
from core.event import Event, EventUid
from core.log.port import IDENTITY_CHANGED, PROFILE_UPDATED
from core.outbox import Announcement, Cursor
from profiles import people
from stitcher.rules import Rules
from tests.stitcher import database, histories
from tests.stitcher.histories import BRIDGELESS, SHIPPED, TIGHT


class Subscriber:
    """Another service that keeps nothing but what is announced: who lives, and in which version."""

    def __init__(self) -> None:
        self.cursor = Cursor()
        self.alive: set[str] = set()
        self.versions: dict[tuple[str, str], int] = {}

    def follow(self, engine: Engine) -> list[Announcement]:
        """Read on, and return what was announced since."""
        with engine.connect() as connection:
            rows = outbox.read(connection, self.cursor, 10_000)
        if rows:
            self.cursor = rows[-1].cursor
        heard = [announcement for row in rows for announcement in row.announcements]
        for announcement in heard:
            self._hear(announcement)
        return heard

    def _hear(self, announcement: Announcement) -> None:
        value = announcement.value
        if announcement.topic == PROFILE_UPDATED:
            last = self.versions.get((announcement.topic, announcement.key), 0)
            assert value["version"] == last + 1, "versions rise, and none is missing"
            self.versions[announcement.topic, announcement.key] = value["version"]
        if announcement.topic == IDENTITY_CHANGED:
            self._change(value)

    def _change(self, value: Mapping[str, Any]) -> None:
        match value["type"]:
            case "person.created":
                self.alive.add(value["person_id"])
            case "person.merged":
                self.alive -= set(value["from"])
                self.alive.add(value["person_id"])
            case "person.split":
                self.alive |= {value["person_id"], *value["into"]}
            case "person.retracted":
                self.alive.discard(value["person_id"])


class Stitching(RuleBasedStateMachine):
    """Events and directives, in any order, some of them again."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.by: Rules = SHIPPED
        self.history: dict[EventUid, Event] = {}
        self.decided: list[Directive] = []
        self.subscriber = Subscriber()
        database.empty(self.engine)

    @initialize(by=st.sampled_from([SHIPPED, TIGHT, BRIDGELESS]))
    def begin(self, by: Rules) -> None:
        """The rules are chosen once."""
        self.by = by

    @rule(batch=histories.histories(max_size=4), number=st.integers(0, 3))
    def take(self, batch: list[Event], number: int) -> None:
        """A batch comes; its events have one of few names, so that some were taken before, and then the first counts."""
        named = {event.uid: event for event in histories.renamed(batch, number)}
        database.take(self.engine, list(named.values()), self.by)
        self.history = {**named, **self.history}

    @rule(decided=histories.directives(max_size=2))
    def decide(self, decided: list[Directive]) -> None:
        """Something is decided."""
        for directive in decided:
            database.decide(self.engine, directive, self.by)
            self.decided.append(directive)

    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        """What was decided is taken back."""
        if self.decided:
            former = data.draw(st.sampled_from(self.decided))
            directive = histories.taking_back(former, data.draw(st.integers(0, 3)))
            database.decide(self.engine, directive, self.by)
            self.decided.append(directive)

    @rule()
    def nothing_new(self) -> None:
        """All that was taken and decided comes once more: nothing is announced."""
        self.subscriber.follow(self.engine)
        database.take(self.engine, list(self.history.values()), self.by)
        for directive in self.decided:
            database.decide(self.engine, directive, self.by)
        assert self.subscriber.follow(self.engine) == []

    @invariant()
    def it_is_as_the_pure_function_says(self) -> None:
        """People, who is nobody's, who is presumed, which links are refused and why."""
        self.subscriber.follow(self.engine)
        model = histories.state(list(self.history.values()), self.by, self.decided)
        with self.engine.connect() as connection:
            found = database.state(connection)
            assert found == model
            nobodys = {histories.id_of_text(written) for written in model.contested | model.generic | model.blocked}
            assert self.subscriber.alive - nobodys == {person for person, _ in model.people}
            for person in self.subscriber.alive:
                assert people.survivor(connection, person) in self.subscriber.alive


def test_whatever_happens_in_whatever_order_the_tables_say_what_the_pure_function_does(engine: Engine) -> None:
    """Hypothesis chooses the steps; in the ordinary run fewer of them than in `make laws`."""
    machine = type("Machine", (Stitching,), {"engine": engine})
    examples = max(20, settings().max_examples // 10)
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=12, suppress_health_check=list(HealthCheck)),
    )
