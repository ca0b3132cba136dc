"""The laws of `resolve`, over generated histories."""

from dataclasses import replace
from itertools import combinations
from random import Random

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from core.directive import Directive, Kind, in_force
from core.event import Event, Role, Trust
from core.identifier import IdentifierId
from stitcher.decisions import decisions
from stitcher.graph import Weight
from stitcher.rules import Rules
from tests.stitcher.histories import BRIDGELESS, INDEX, SHIPPED, TIGHT, directives, histories, resolved, state

RULES = st.sampled_from([SHIPPED, TIGHT, BRIDGELESS])


@given(histories(), directives(), RULES, st.randoms(use_true_random=False))
def test_arrival_order_and_duplicates_do_not_matter(
    history: list[Event], decided: list[Directive], by: Rules, random: Random
) -> None:
    """Whatever arrives when, and however often, the same people come of it."""
    shuffled = history + random.sample(history, k=len(history) // 3)
    random.shuffle(shuffled)
    in_any_order = random.sample(decided, k=len(decided)) + decided[:1]

    assert state(shuffled, by, in_any_order) == state(history, by, decided)


@given(histories())
def test_without_conflict_people_are_connected_components(history: list[Event]) -> None:
    """Where nothing is refused, generic or contested, people are what networkx finds."""
    evidence, partition = resolved(history)
    if partition.refused or partition.contested or partition.generic or partition.presumed:
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


@given(histories(max_size=14), directives(), RULES)
def test_what_is_taken_back_is_as_if_it_had_never_come(
    history: list[Event], decided: list[Directive], by: Rules
) -> None:
    """Law 4: without the events that are void by now, and without the directives that are taken back, all is the same."""
    standing = in_force(decided)
    void = decisions(standing, INDEX)
    kept = [event for event in history if not void.is_void(event, event.uid)]
    deciding = [each for each in standing if not (each.kind is Kind.RETRACT and not each.identifiers)]

    assert state(history, by, decided) == state(kept, by, deciding)


@given(histories(max_size=14), directives(), RULES)
def test_who_is_never_to_be_one_is_not(history: list[Event], decided: list[Directive], by: Rules) -> None:
    """`cannot_link` holds, whatever is said, and whatever else must be one person's."""
    _, partition = resolved(history, by, decided)
    apart = decisions(in_force(decided), INDEX).cannot

    for one, other in apart:
        if one in partition.person and other in partition.person:
            assert partition.person[one] != partition.person[other]


@given(histories(max_size=14), directives(), RULES)
def test_who_must_be_one_is_unless_that_is_forbidden(history: list[Event], decided: list[Directive], by: Rules) -> None:
    """Alone among the directives, `must_link` overrides every rule but the size of a person."""
    first = next((each for each in decided if each.kind is Kind.MUST_LINK), None)
    if first is None or by is TIGHT:
        return
    _, partition = resolved(history, by, [first])
    one, other = first.ends(INDEX)

    if one in partition.person and other in partition.person:
        assert partition.person[one] == partition.person[other]


@given(histories(max_size=14), directives(), RULES)
def test_who_is_blocked_is_alone(history: list[Event], decided: list[Directive], by: Rules) -> None:
    """A blocked identifier joins nobody, and nobody joins it."""
    _, partition = resolved(history, by, decided)

    for blocked in partition.blocked:
        assert [i for i, person in partition.person.items() if person == partition.person[blocked]] == [blocked]


@given(histories(max_size=14), directives(), RULES)
def test_only_weak_identifiers_are_presumed_and_never_give_the_name(
    history: list[Event], decided: list[Directive], by: Rules
) -> None:
    """Presumption adds weak ones to a person who is known without them, and nothing else depends on it."""
    evidence, partition = resolved(history, by, decided)
    _, without = resolved(history, replace(by, presumption_off=frozenset({"web"})), decided)

    strong = {i for i, n in evidence.nodes.items() if by.namespaces[n.identifier.namespace].kind == "strong"}
    assert partition.presumed.isdisjoint(strong | set(partition.person.values()))
    assert {i: p for i, p in partition.person.items() if i not in partition.presumed} == {
        i: p for i, p in without.person.items() if i not in partition.presumed
    }


@given(histories(), RULES)
def test_only_subjects_and_contexts_ever_join(history: list[Event], by: Rules) -> None:
    """Without the mentions of those who only stand by, the same identifiers are one person's; only presumption hears them."""
    by = replace(by, presumption_off=frozenset({"web"}))
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
