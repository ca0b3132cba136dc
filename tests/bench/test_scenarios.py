"""What the stress scenarios expect is what the pure function comes to; it has to be so on PostgreSQL too, where they are run."""

from collections import Counter

import pytest

from bench.scenarios import Outcome, Scenario, Stage, scenarios
from core.event import Event
from core.identifier import BlindIndex
from stitcher import decisions, graph, rules
from stitcher.resolve import resolve

INDEX = BlindIndex(b"the key of the tests, 32 bytes..")
RULES = rules.shipped()


@pytest.mark.parametrize("scenario", scenarios(0.01), ids=lambda scenario: scenario.name)
def test_the_pure_function_comes_to_what_is_expected(scenario: Scenario) -> None:
    sent: list[Event] = []
    for stage in scenario.stages:
        sent += stage.events

        assert _outcome(stage, sent) == stage.expected(sent)


def _outcome(stage: Stage, sent: list[Event]) -> Outcome:
    decided = decisions.decisions([stage.directive] if stage.directive else [], INDEX)
    _, evidence = graph.read({event.uid: event for event in sent}, RULES, INDEX, decided)
    partition = resolve(evidence, RULES)
    text = {i: node.identifier.text for i, node in evidence.nodes.items()}
    members: dict[str, set[str]] = {}
    for node_id, person in partition.person.items():
        if node_id not in partition.contested | partition.generic:
            members.setdefault(text[person], set()).add(text[node_id])
    return Outcome(
        people=frozenset((canonical, frozenset(own)) for canonical, own in members.items()),
        contested=frozenset(text[i] for i in partition.contested),
        generic=frozenset(text[i] for i in partition.generic),
        presumed=frozenset(text[i] for i in partition.presumed),
        refused=Counter(reason.value for reason in partition.refused.values()),
    )
