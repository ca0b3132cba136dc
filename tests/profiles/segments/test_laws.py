"""What holds of conditions whatever they ask: memory judges one person as SQL does everybody, and for as long as it says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.database import transaction
from core.identifier import PersonId
from profiles import intent
from profiles.segments import everybody, facts, measuring, question
from profiles.segments.conditions import Condition
from profiles.segments.judging import Facts, Measure, judge
from profiles.segments.rulesets import segment
from tests.api.world import NOW, World
from tests.profiles.segments.conditions import conditions
from tests.profiles.segments.history import happens

RULES = intent.shipped()
MOMENTS = st.sampled_from([NOW, NOW - timedelta(days=3), NOW + timedelta(days=1), NOW + timedelta(days=40)])


def told(world: World, condition: Condition, now: datetime) -> Mapping[PersonId, tuple[bool, datetime | None]]:
    """What SQL says of everybody."""
    with transaction(world.engine) as connection:
        by = measuring.measure(connection, [condition], RULES, now)
        known = everybody.standings(connection, segment("asked", condition, {}), [condition], by)
        everyone = facts.present(connection, world.people())
    found: dict[PersonId, tuple[bool, datetime | None]] = dict.fromkeys(everyone, (False, None))
    return found | {person: (band is not None, until) for person, (band, until) in known.items()}


def by(world: World, condition: Condition, now: datetime) -> Measure:
    with transaction(world.engine) as connection:
        return measuring.measure(connection, [condition], RULES, now)


def known(world: World, condition: Condition, now: datetime) -> Mapping[PersonId, Facts]:
    with transaction(world.engine) as connection:
        everyone = facts.present(connection, world.people())
        return facts.of_people(connection, everyone, facts.wanted([condition], RULES), now)


@pytest.mark.parametrize(("seed", "few"), [(0, question.FEW_MAX), (1, 1)])
def test_one_person_in_memory_is_judged_as_everybody_in_sql(
    engine: Engine, seed: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And both say until when that stands by itself: SQL never later than memory."""
    monkeypatch.setattr(question, "FEW_MAX", few)
    world = World(engine)
    happens(world, seed, 120)

    @settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    @given(conditions, MOMENTS)
    def law(condition: Condition, now: datetime) -> None:
        in_sql = told(world, condition, now)
        in_memory = {
            p: judge(condition, each, by(world, condition, now)) for p, each in known(world, condition, now).items()
        }

        assert {p: holds for p, (holds, _) in in_sql.items()} == {p: v.holds for p, v in in_memory.items()}
        for person, (_, until) in in_sql.items():
            later = in_memory[person].until
            assert later is None or (until is not None and until <= later + timedelta(milliseconds=1))

    law()


@pytest.mark.parametrize("seed", range(2))
def test_nothing_changes_by_itself_before_it_is_said_to(engine: Engine, seed: int) -> None:
    world = World(engine)
    happens(world, seed + 100, 120)

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(conditions, st.floats(0, 1))
    def law(condition: Condition, part: float) -> None:
        of, measure = known(world, condition, NOW), by(world, condition, NOW)
        before = {person: judge(condition, each, measure) for person, each in of.items()}
        for person, verdict in before.items():
            ends = verdict.until or NOW + timedelta(days=200)
            later = NOW + (ends - NOW) * part
            if later < ends:
                assert judge(condition, of[person], replace(measure, now=later)).holds == verdict.holds

    law()
