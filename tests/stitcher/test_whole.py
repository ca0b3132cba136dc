"""Everything at once, in columns: adds up as evidence does, and comes to what `resolve` over everything comes to."""

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.event import Event, Mention, Role, Strength, Trust
from core.identifier import IdentifierId
from stitcher import columns, graph, whole
from stitcher.columns import Columns, Gathering
from stitcher.decisions import NONE, Decisions, Pair
from stitcher.graph import Evidence
from stitcher.resolve import Partition, resolve
from stitcher.round import Closing, Closure
from stitcher.rules import Rules
from stitcher.whole import Outcome
from tests.stitcher import histories
from tests.stitcher.histories import BRIDGELESS, INDEX, SHIPPED, TIGHT

RULES = st.sampled_from([SHIPPED, TIGHT, BRIDGELESS])
NAMED = [Mention(namespace, value, scope) for namespace, scope, value in histories.STRONG + histories.WEAK]


@st.composite
def decisions(draw: st.DrawFn) -> Decisions:
    """A few directives about identifiers that histories name."""
    ids = st.sampled_from([INDEX(mention.identifier) for mention in NAMED])
    pairs = st.frozensets(st.tuples(ids, ids).filter(lambda ends: ends[0] < ends[1]), max_size=2)
    must, cannot = draw(pairs), draw(pairs)
    return Decisions(must=must - cannot, cannot=cannot, blocked=draw(st.frozensets(ids, max_size=1)))


@st.composite
def openings(draw: st.DrawFn) -> list[Event]:
    """Links that were delivered, and opened on some device."""
    said = st.tuples(st.sampled_from(histories.WEAK), st.sampled_from(histories.STRONG), st.sampled_from("tuv"))
    return [
        histories.event(
            f"o{number}",
            [
                Mention(weak[0], weak[2], weak[1], Role.CONTEXT),
                Mention(strong[0], strong[2], strong[1], Role.RECIPIENT),
                Mention("link_token", token, "", Role.HINT),
            ],
            Strength.OBSERVED,
            Trust.SERVER,
            number,
        )
        for number, (weak, strong, token) in enumerate(draw(st.lists(said, max_size=3)))
    ]


def read(history: list[Event], by: Rules, decided: Decisions = NONE) -> Evidence:
    return graph.read({event.uid: event for event in history}, by, INDEX, decided)[1]


def gathered(history: list[Event], by: Rules, decided: Decisions, random: Random) -> Columns:
    """The evidence of *history*, gathered chunk by chunk."""
    gathering = Gathering()
    unique = list({event.uid: event for event in history}.values())
    random.shuffle(unique)
    while unique:
        size = random.randint(1, len(unique))
        gathering.add(read(unique[:size], by, decided))
        del unique[:size]
    return gathering.total(decided)


def as_objects(evidence: Columns) -> Evidence:
    every = np.arange(len(evidence.nodes))
    return evidence.evidence(every, np.arange(len(evidence.links)), evidence.openings)


def closings(closures: Mapping[IdentifierId, Closure]) -> dict[IdentifierId, Closing]:
    """How identifiers are out of the game; of several witnesses, one is as good as another."""
    return {i: closure.closing for i, closure in closures.items()}


def said_by_partition(partition: Partition) -> dict[str, Any]:
    return {
        "person": dict(partition.person),
        "refused": dict(partition.refused),
        "nobody's": (partition.contested, partition.generic, partition.blocked),
        "presumed": partition.presumed,
        "closed": tuple(
            map(closings, (partition.trusted.closures, partition.all.closures, partition.openers)),
        ),
        "neighbourhoods": set(partition.neighbourhoods),
    }


def said_by_outcome(evidence: Columns, outcome: Outcome) -> dict[str, Any]:
    ids = columns.written(evidence.nodes.ids)

    def where(mask: Any) -> frozenset[IdentifierId]:
        return frozenset(ids[place] for place in np.flatnonzero(mask))

    neighbourhoods: dict[int, set[IdentifierId]] = {}
    for node_id, place in zip(ids, outcome.neighbourhood.tolist(), strict=True):
        neighbourhoods.setdefault(place, set()).add(node_id)
    pairs: list[Pair] = [
        (ids[one], ids[other]) for one, other in zip(evidence.links.one, evidence.links.other, strict=True)
    ]
    return {
        "person": {i: ids[place] for i, place in zip(ids, outcome.person.tolist(), strict=True)},
        "refused": {
            ends: whole.REASONS[code - 1] for ends, code in zip(pairs, outcome.refused.tolist(), strict=True) if code
        },
        "nobody's": (where(outcome.contested), where(outcome.generic), where(outcome.blocked)),
        "presumed": where(outcome.presumed),
        "closed": tuple(
            closings({ids[place]: closure for place, closed in outcome.closures.items() if (closure := closed[nth])})
            for nth in range(3)
        ),
        "neighbourhoods": {frozenset(members) for members in neighbourhoods.values()},
    }


@given(histories.histories(max_size=14), openings(), RULES, decisions(), st.randoms(use_true_random=False))
def test_columns_add_up_as_evidence_does(
    history: list[Event], opened: list[Event], by: Rules, decided: Decisions, random: Random
) -> None:
    """However events are cut into chunks, in columns they come to the very evidence that they are."""
    assert as_objects(gathered(history + opened, by, decided, random)) == read(history + opened, by, decided)


@given(histories.histories(max_size=14), openings(), RULES, decisions(), st.randoms(use_true_random=False))
def test_everything_at_once_comes_to_what_resolve_comes_to(
    history: list[Event], opened: list[Event], by: Rules, decided: Decisions, random: Random
) -> None:
    """Persons, refusals, whoever is nobody's, and all that the stitcher goes on from."""
    evidence = gathered(history + opened, by, decided, random)

    outcome = whole.decide(evidence, by)

    assert said_by_outcome(evidence, outcome) == said_by_partition(resolve(read(history + opened, by, decided), by))


@given(histories.histories(max_size=14), RULES, st.integers(1, 5))
def test_it_does_not_matter_how_much_is_resolved_together(history: list[Event], by: Rules, most: int) -> None:
    evidence = columns.of(read(history, by))
    label = whole.decide(evidence, by).neighbourhood * 0
    whole_of_it = [*whole.parts(evidence, label, np.ones(1, np.bool_), most)]

    assert len(whole_of_it) == 1
    assert whole_of_it[0].evidence == read(history, by)


def test_nothing_is_nobody() -> None:
    outcome = whole.decide(Gathering().total(NONE), SHIPPED)

    assert len(outcome.person) == len(outcome.refused) == 0


def test_ids_that_begin_alike_are_told_apart() -> None:
    alike = [f"00000000-0000-8000-8000-{number:012}" for number in (3, 1, 2, 3, 1)]

    numbers, firsts = columns.numbered(columns.ids(alike))

    assert numbers.tolist() == [0, 1, 2, 0, 1]
    assert firsts.tolist() == [0, 1, 2]
