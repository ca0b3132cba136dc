"""What an event says: who is its anchor, what it links, and how well founded that is."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import pytest

from core.event import Event, EventUid, Strength, Trust
from core.identifier import IdentifierId
from stitcher import graph
from stitcher.graph import Basis, Evidence, Link, Weight, pair
from tests.stitcher.histories import DAY, INDEX, SHIPPED
from tests.stitcher.test_cases import event_of, id_of


def read(*events: Event) -> Evidence:
    return graph.read({event.uid: event for event in events}, SHIPPED, INDEX)[1]


def said(who: str, **fields: object) -> Event:
    return event_of(str(fields.pop("name", who or "nobody")), {"who": who, **fields}, 1)


def anchor(who: str) -> IdentifierId | None:
    (touchpoint,), _ = graph.read({EventUid(""): said(who)}, SHIPPED, INDEX)
    return touchpoint.anchor


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("p:1 m:j A c1", "A"),
        ("c1 p:1", "p:1"),
        ("c1 d:1", "c1"),
        ("c2 c1", "c1"),
        ("c1 p:1=recipient", "c1"),
        ("p:1=recipient m:j=recipient", "p:1"),
        ("A=context p:1", "p:1"),
        ("A p:1=recipient A=recipient", "A"),
    ],
)
def test_the_anchor_is_the_best_subject_else_context_else_recipient(who: str, expected: str) -> None:
    assert anchor(who) == id_of(expected)


@pytest.mark.parametrize("who", ["", "t:1", "A=sharer", "A=payer", "A=receiver", "A=hint t:1=hint"])
def test_who_only_stands_by_is_no_anchor_and_nobody(who: str) -> None:
    assert anchor(who) is None
    assert read(said(who)).nodes == {}


def test_links_are_a_star_around_the_anchor() -> None:
    evidence = read(said("p:1 m:j A c1"))

    assert evidence.links.keys() == {pair(id_of("A"), id_of(other)) for other in ("p:1", "m:j", "c1")}


@pytest.mark.parametrize("role", ["recipient", "sharer", "payer", "receiver", "hint"])
def test_who_did_not_act_is_linked_to_nobody(role: str) -> None:
    assert read(said(f"A c1 p:1={role}")).links.keys() == {pair(id_of("A"), id_of("c1"))}


def test_recipients_are_not_linked_to_one_another() -> None:
    evidence = read(said("p:1=recipient m:j=recipient"))

    assert evidence.nodes.keys() == {id_of("p:1"), id_of("m:j")}
    assert evidence.links == {}


@pytest.mark.parametrize("who", ["A B", "A B c1 p:1", "A p:1 B=context"])
def test_two_users_in_one_event_link_nothing_and_all_exist(who: str) -> None:
    (touchpoint,), evidence = graph.read({EventUid(""): said(who)}, SHIPPED, INDEX)

    assert touchpoint.ambiguous
    assert touchpoint.others == ()
    assert evidence.links == {}
    assert len(evidence.nodes) == len(who.split())


def test_two_unionids_in_one_event_are_no_contradiction() -> None:
    """Only of what is unique there can be but one."""
    assert len(read(said("u:1 u:2")).links) == 1


@pytest.mark.parametrize(
    ("trust", "claimed", "weight"),
    [
        (Trust.SERVER, Strength.PLATFORM, Weight.PLATFORM),
        (Trust.IMPORT, Strength.PROVEN, Weight.PROVEN),
        (Trust.BROWSER, Strength.PLATFORM, Weight.DECLARED),
        (Trust.BROWSER, Strength.PROVEN, Weight.DECLARED),
        (Trust.BROWSER, Strength.OBSERVED, Weight.OBSERVED),
    ],
)
def test_a_sender_claims_no_more_than_his_ceiling(trust: Trust, claimed: Strength, weight: Weight) -> None:
    (link,) = read(said("A p:1", trust=trust, strength=claimed)).links.values()

    assert link.basis.weight == weight
    assert (link.trusted is None) == (trust is Trust.BROWSER)


@pytest.mark.parametrize("who", ["A c1", "c1 c2", "d:1 p:1"])
def test_a_link_with_a_weak_end_is_only_observed(who: str) -> None:
    (link,) = read(said(who, strength="platform")).links.values()

    assert link.basis.weight == Weight.OBSERVED


def test_an_identifier_is_vouched_for_when_any_trusted_source_reported_it() -> None:
    evidence = read(said("A p:1", trust="browser"), said("A", trust="server"))

    assert evidence.nodes[id_of("A")].vouched
    assert not evidence.nodes[id_of("p:1")].vouched


def test_what_the_public_repeats_does_not_raise_what_trusted_sources_said() -> None:
    evidence = read(
        said("A p:1", name="1", minute=1, strength="declared"),
        said("A p:1", name="2", minute=9, strength="declared", trust="browser"),
    )

    (link,) = evidence.links.values()
    first, last = DAY + timedelta(minutes=1), DAY + timedelta(minutes=9)
    assert link == Link(Basis(Weight.DECLARED, last), Basis(Weight.DECLARED, first), first, 2)


def test_evidence_adds_up_in_any_order_and_grouping() -> None:
    parts: Sequence[Evidence] = [
        read(said("A p:1", name="1", minute=3, strength="observed")),
        read(said("A p:1", name="2", minute=1, trust="browser")),
        read(said("A p:1", name="3", minute=2)),
    ]
    together = [a + (b + c) for a, b, c in permutations(parts)] + [(a + b) + c for a, b, c in permutations(parts)]

    assert all(total == together[0] for total in together)
    assert [link.count for link in together[0].links.values()] == [3]
    assert parts[0].nodes[id_of("A")].first_at == DAY + timedelta(minutes=3), "adding up changes no part"


def test_a_pair_has_no_order() -> None:
    one, other = id_of("A"), id_of("B")

    assert pair(one, other) == pair(other, one)
