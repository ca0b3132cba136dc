"""What is announced when people change. Ids here are letters: a person bears the letter of one of his identifiers."""

from collections.abc import Mapping

from core.identifier import IdentifierId, PersonId
from stitcher.difference import Change, Difference, compare


def people(**persons: str) -> Mapping[IdentifierId, PersonId]:
    """Whose each identifier is: `people(a="abc")` says that a, b and c are the person a's."""
    return {IdentifierId(i): person_id(person) for person, own in persons.items() for i in own}


def person_id(letter: str) -> PersonId:
    return PersonId(IdentifierId(letter))


def difference(
    before: Mapping[IdentifierId, PersonId], after: Mapping[IdentifierId, PersonId], nobodys: str = ""
) -> Difference:
    return compare(before, after, [IdentifierId(i) for i in nobodys])


def kinds(found: Difference) -> list[tuple[str, str, str]]:
    """The changes as (kind, person, the others or the identifiers)."""
    return [(c.kind, c.person, "".join(c.others or c.identifiers)) for c in found.changes]


def test_no_difference_is_nothing_to_announce() -> None:
    same = people(a="ab", c="c")

    assert difference(same, same) == Difference((), frozenset())


def test_who_was_not_there_is_created() -> None:
    found = difference({}, people(a="ab", c="c"))

    assert kinds(found) == [("person.created", "a", ""), ("person.created", "c", "")]
    assert found.people == {"a", "c"}


def test_who_gains_a_new_identifier_has_changed_and_that_is_all() -> None:
    found = difference(people(a="a"), people(a="ab"))

    assert found == Difference((), frozenset({person_id("a")}))


def test_two_who_become_one_are_merged_into_the_survivor() -> None:
    found = difference(people(a="a", b="bc"), people(a="abc"))

    assert kinds(found) == [("person.merged", "a", "b")]
    assert found.people == {"a"}


def test_a_new_identifier_may_bring_the_id_of_those_it_joins() -> None:
    """It was first in the time of the events, though it came last."""
    found = difference(people(b="b", c="c"), people(a="abc"))

    assert kinds(found) == [("person.created", "a", ""), ("person.merged", "a", "bc")]


def test_who_falls_apart_is_split_into_his_parts() -> None:
    found = difference(people(a="abcd"), people(a="ab", c="c", d="d"))

    assert kinds(found) == [("person.split", "a", "cd")]
    assert found.people == {"a", "c", "d"}


def test_who_takes_another_of_his_identifiers_for_his_id_is_merged_into_it_and_not_split() -> None:
    """The id that was published before leads on to the new one; nobody has parted from anybody."""
    found = difference(people(b="ab"), people(a="ab"))

    assert kinds(found) == [("person.merged", "a", "b")]
    assert found.people == {"a"}


def test_who_takes_another_id_and_loses_a_part_is_split_from_whom_he_is_now() -> None:
    found = difference(people(b="abc"), people(a="ab", c="c"))

    assert ("person.merged", "a", "b") in kinds(found)
    assert "b" not in {change.person for change in found.changes}, "nobody who is no more is said to have changed"
    assert found.people == {"a", "c"}


def test_an_identifier_that_goes_from_one_to_the_other_is_moved() -> None:
    found = difference(people(a="ax", b="b"), people(a="a", b="bx"))

    assert kinds(found) == [("identifier.moved", "b", "x")]
    assert found.people == {"a", "b"}


def test_what_nobody_can_own_is_contested() -> None:
    found = difference(people(a="a", b="b", x="x"), people(a="a", b="b", x="x"), nobodys="x")

    assert Change("identifier.contested", person_id("x"), (), (IdentifierId("x"),)) in found.changes


def test_changes_come_in_one_order_whatever_the_order_of_what_is_compared() -> None:
    before, after = people(a="a", b="bc", d="def", g="g"), people(a="abc", d="d", e="e", f="f", g="g", h="h")

    backwards = compare(dict([*before.items()][::-1]), dict([*after.items()][::-1]), [])

    assert difference(before, after) == backwards
