"""What `resolve` says besides who is whose: reasons, bridges, neighbourhoods, and what of the rest of the world it needs."""

from dataclasses import replace
from itertools import permutations

import pytest

from stitcher import graph
from stitcher.graph import Evidence
from stitcher.resolve import Partition, Settled, resolve
from stitcher.round import Closing, Closure, Reason, Round, Witness
from stitcher.rules import Rules
from tests.stitcher.histories import INDEX, SHIPPED
from tests.stitcher.test_cases import event_of, id_of


def said(*lines: str, **fields: object) -> Evidence:
    """The evidence of events, a minute apart, that name what each of *lines* does."""
    events = [event_of(str(number), {"who": who, **fields}, number) for number, who in enumerate(lines, 1)]
    return graph.read({event.uid: event for event in events}, SHIPPED, INDEX)[1]


def decided(*lines: str, by: Rules = SHIPPED) -> Partition:
    return resolve(said(*lines), by)


def test_nothing_known_is_nobody() -> None:
    partition = resolve(Evidence(), SHIPPED)

    assert partition.person == {}
    assert list(partition.neighbourhoods) == []


def test_every_identifier_has_a_person_and_stands_in_one_neighbourhood() -> None:
    partition = decided("A c1", "B c1", "c2", "p:1 m:j", "m:j C", "p:1 C", "c3 c4")

    stands = [node_id for neighbourhood in partition.neighbourhoods for node_id in neighbourhood]
    assert sorted(stands) == sorted(partition.person)


def test_a_person_bears_the_id_of_one_of_his_own() -> None:
    partition = decided("A c1", "B c1", "p:1 m:j", "m:j C", "c1 c2")

    assert all(partition.person[person] == person for person in partition.person.values())


def test_evidence_is_left_as_it_was() -> None:
    evidence = said("A c1", "B c1", "p:1 A", "p:1 B")
    before = Evidence(dict(evidence.nodes), dict(evidence.links))

    resolve(evidence, SHIPPED)

    assert evidence == before


@pytest.mark.parametrize(
    ("lines", "refused", "reason"),
    [
        (("A p:1", "B p:1"), "A p:1", Reason.UNIQUE),
        (("A p:1", "A p:2", "A p:3", "A p:4"), "A p:1", Reason.LIMIT),
        (("A c1", "B c1"), "A c1", Reason.CONTESTED),
    ],
)
def test_a_refused_link_keeps_its_reason(lines: tuple[str, ...], refused: str, reason: Reason) -> None:
    partition = decided(*lines)

    assert partition.refused[graph.pair(*map(id_of, refused.split()))] is reason


def test_a_bridge_is_what_saw_both_sides_and_not_what_hangs_on_it() -> None:
    partition = decided("c1 c2", "c2 c3", "c1 A", "c3 o:x/wx1")

    assert partition.bridges == {id_of("c1"), id_of("c3")}


def test_a_cookie_with_one_person_is_no_bridge() -> None:
    assert decided("c1 A", "A p:1", "c1 p:1").bridges == frozenset()


def test_a_contested_device_holds_no_neighbourhood_together() -> None:
    """So what a kiosk has seen costs nothing when one of its users comes back."""
    partition = decided("A c1", "B c1", "C c1")

    assert sorted(map(len, partition.neighbourhoods)) == [1, 1, 1, 1]


def test_a_generic_phone_holds_no_neighbourhood_together() -> None:
    few = replace(SHIPPED, generic_owners_max=2)
    partition = decided("A p:1", "B p:1", "C p:1", by=few)

    assert partition.generic == {id_of("p:1")}
    assert sorted(map(len, partition.neighbourhoods)) == [1, 1, 1, 1]


def test_a_contested_device_knows_two_whose_people_exclude_each_other() -> None:
    partition = decided("A c1", "B c1")

    closure = partition.all.closures[id_of("c1")]
    assert closure.closing is Closing.CLOSED
    assert closure.witness is not None
    assert {closure.witness.one, closure.witness.other} == {id_of("A"), id_of("B")}
    assert closure.witness.slot == "user_id"
    assert partition.all.holds(closure.witness)


def test_what_is_settled_elsewhere_stays_so_while_its_witness_is_out_of_sight() -> None:
    """The same device with a further user: the first two need not be looked at."""
    closed = Closure(Closing.CLOSED, Witness(id_of("A"), id_of("B"), "user_id"))
    known = {id_of("c1"): closed}

    partition = resolve(said("C c1"), SHIPPED, Settled(known, known))

    assert partition.contested == {id_of("c1")}
    assert partition.person[id_of("C")] == id_of("C")


def test_a_witness_falls_when_its_two_become_one_person() -> None:
    witness = Witness(id_of("p:1"), id_of("p:2"), "phone")

    assert decided("c1 p:1", "c1 p:2").all.holds(witness)
    assert not decided("A p:1", "A p:2").all.holds(witness)


def test_a_witness_falls_when_one_of_them_is_a_switchboard() -> None:
    few = replace(SHIPPED, generic_owners_max=2)
    witness = Witness(id_of("p:1"), id_of("p:2"), "phone")

    assert not decided("A p:1", "B p:1", "C p:1", by=few).all.holds(witness)


def test_a_witness_of_whom_nothing_is_known_stands() -> None:
    assert Round({}, {}, {}).holds(Witness(id_of("A"), id_of("B"), "user_id"))


def test_each_neighbourhood_by_itself_comes_to_what_all_together_do() -> None:
    """Law 2, by hand: what a batch does not touch need not be there."""
    parts = [said("A p:1", "p:1 m:j"), said("c1 o:1/wx1", "c1 m:k"), said("B c2", "B c3")]
    total = parts[0] + parts[1] + parts[2]

    together = resolve(total, SHIPPED)

    for part in parts:
        alone = resolve(part, SHIPPED)
        assert all(together.person[node_id] == person for node_id, person in alone.person.items())


def test_equal_claims_at_equal_times_are_decided_by_their_texts() -> None:
    """Where nothing else tells two apart, the order of arrival must not."""
    events = [event_of(who, {"who": who, "minute": 1}, 1) for who in ("A p:1", "B p:1", "C p:1")]
    found = {
        resolve(graph.read({event.uid: event for event in order}, SHIPPED, INDEX)[1], SHIPPED).person[id_of("p:1")]
        for order in permutations(events)
    }

    assert len(found) == 1
