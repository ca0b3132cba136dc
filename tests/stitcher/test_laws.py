"""The laws of `resolve`, over generated histories."""

from dataclasses import replace
from itertools import combinations
from random import Random

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from core.event import Event, Role, Trust
from core.identifier import IdentifierId
from stitcher.graph import Weight
from stitcher.rules import Rules
from tests.stitcher.histories import BRIDGELESS, SHIPPED, TIGHT, histories, resolved, state

RULES = st.sampled_from([SHIPPED, TIGHT, BRIDGELESS])


@given(histories(), RULES, st.randoms(use_true_random=False))
def test_arrival_order_and_duplicates_do_not_matter(history: list[Event], by: Rules, random: Random) -> None:
    """Whatever arrives when, and however often, the same people come of it."""
    shuffled = history + random.sample(history, k=len(history) // 3)
    random.shuffle(shuffled)

    assert state(shuffled, by) == state(history, by)


@given(histories())
def test_without_conflict_people_are_connected_components(history: list[Event]) -> None:
    """Where nothing is refused, generic or contested, people are what networkx finds."""
    evidence, partition = resolved(history)
    if partition.refused or partition.contested or partition.generic:
        return
    graph: nx.Graph[IdentifierId] = nx.Graph()
    graph.add_nodes_from(evidence.nodes)
    graph.add_edges_from(evidence.links)

    components = {frozenset(c) for c in nx.connected_components(graph)}

    by_person: dict[str, set[IdentifierId]] = {}
    for node_id, person in partition.person.items():
        by_person.setdefault(person, set()).add(node_id)
    assert {frozenset(m) for m in by_person.values()} == components


@given(histories(max_size=14), RULES)
def test_nobody_holds_more_than_his_limits(history: list[Event], by: Rules) -> None:
    """No person has two values of a unique namespace, more than a limit, or more identifiers than a person may have."""
    evidence, partition = resolved(history, by)
    members: dict[str, list[IdentifierId]] = {}
    for node_id, person in partition.person.items():
        members.setdefault(person, []).append(node_id)

    for own in members.values():
        slots: dict[str, int] = {}
        for node_id in own:
            slot = evidence.nodes[node_id].identifier.slot
            slots[slot] = slots.get(slot, 0) + 1
        assert len(own) <= by.person_identifiers_max
        for slot, values in slots.items():
            namespace = by.namespaces[slot.partition("@")[0]]
            assert namespace.limit_max is None or values <= namespace.limit_max


@given(histories(max_size=14), histories(max_size=6), RULES)
def test_the_public_never_unites_people_whom_trusted_sources_know(
    trusted: list[Event], public: list[Event], by: Rules
) -> None:
    """Whatever is sent by browser keys, two vouched identifiers that were two people's stay two people's."""
    known = [_sent_by(event, Trust.SERVER, "t") for event in trusted]
    noise = [_sent_by(event, Trust.BROWSER, "p") for event in public]
    evidence, before = resolved(known, by)
    _, after = resolved(known + noise, by)

    strong = [i for i, n in evidence.nodes.items() if by.namespaces[n.identifier.namespace].kind == "strong"]
    for one, other in combinations(strong, 2):
        if before.person[one] != before.person[other]:
            assert after.person[one] != after.person[other]


@given(histories(), RULES)
def test_only_subjects_and_contexts_ever_join(history: list[Event], by: Rules) -> None:
    """Without the mentions of those who only stand by, the same identifiers are one person's."""
    vouched = [replace(event, trust=Trust.SERVER) for event in history]
    acting = [
        replace(event, identifiers=tuple(m for m in event.identifiers if m.role in (Role.SUBJECT, Role.CONTEXT)))
        for event in vouched
    ]
    _, plain = resolved(acting, by)
    _, full = resolved(vouched, by)

    for one, other in combinations(plain.person, 2):
        assert (plain.person[one] == plain.person[other]) == (full.person[one] == full.person[other])


@given(histories())
def test_a_link_with_a_weak_end_is_only_ever_observed(history: list[Event]) -> None:
    """Nobody can prove that a browser is somebody."""
    evidence, _ = resolved(history)

    for ends, link in evidence.links.items():
        weak = any(evidence.nodes[end].identifier.namespace in ("anonymous_id", "device_id") for end in ends)
        assert not weak or link.basis.weight == Weight.OBSERVED


def _sent_by(event: Event, trust: Trust, prefix: str) -> Event:
    return replace(event, trust=trust, id=prefix + event.id)
