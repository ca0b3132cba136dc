"""What other rules would change is told as it would be, and nothing is written."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.event import Event
from stitcher import previewing
from stitcher.previewing import RulesPreview
from stitcher.rules import Rules
from tests.stitcher import database, histories
from tests.stitcher.histories import BRIDGELESS, INDEX, SHIPPED, TIGHT, State
from tests.stitcher.test_rebuild import contents
from tests.stitcher.test_store_laws import batches, one_database

RULES = st.sampled_from([SHIPPED, TIGHT, BRIDGELESS])


def previewed(engine: Engine, by: Rules) -> RulesPreview:
    with engine.connect() as connection:
        return previewing.preview(connection, by, INDEX)


def several(of: State, into: State) -> int:
    """How many people of one state consist of identifiers that are those of several people of the other."""
    whose = {written: person for person, own in into.people for written in own}
    return sum(len({whose[written] for written in own if written in whose}) > 1 for _, own in of.people)


@one_database
@given(histories.histories(max_size=14), RULES, RULES, st.randoms(use_true_random=False))
def test_a_preview_says_what_the_pure_function_says_under_both_rules(
    engine: Engine, history: list[Event], former: Rules, by: Rules, random: Random
) -> None:
    database.empty(engine)
    for batch in batches(history, random):
        database.take(engine, batch, former)
    rows = contents(engine)

    told = previewed(engine, by)

    before, after = histories.state(history, former), histories.state(history, by)
    assert contents(engine) == rows
    assert (told.events, told.before.people, told.after.people) == (len(history), len(before.people), len(after.people))
    assert (told.merged, told.split) == (several(after, before), several(before, after))
    assert len(told.merges) == min(told.merged, previewing.SAMPLES_MAX)
    for tally, state in ((told.before, before), (told.after, after)):
        assert tally.standings.get("contested", 0) == len(state.contested)
        assert tally.standings.get("generic", 0) == len(state.generic)
        assert tally.standings.get("presumed", 0) == len(state.presumed)
        assert sum(tally.refused.values()) == len(state.refused)
    if before == after:
        assert (told.merged, told.split, told.moved) == (0, 0, 0)
