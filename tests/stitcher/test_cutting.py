"""Which links hold two identifiers together."""

from hypothesis import given
from hypothesis import strategies as st

from core.identifier import IdentifierId
from stitcher.cutting import cut
from stitcher.decisions import Pair
from stitcher.graph import pair

NAMES = [IdentifierId(name) for name in "abcdef"]
A, B, C, D, *_ = NAMES

PAIRS = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda both: both[0] != both[1])
GRAPHS = st.dictionaries(PAIRS.map(lambda both: pair(*both)), st.integers(1, 4), max_size=12)


def reached(links: set[Pair], start: IdentifierId) -> set[IdentifierId]:
    found = {start}
    while more := {end for ends in links if found.intersection(ends) for end in ends} - found:
        found |= more
    return found


def test_of_a_chain_the_weakest_link_is_cut() -> None:
    found = cut([A, B, C, D], {(A, B): 3, (B, C): 1, (C, D): 3}, A, D)

    assert found is not None
    assert found.links == [(B, C)]
    assert found.parts == (frozenset({A, B}), frozenset({C, D}))


def test_two_weak_links_are_cut_rather_than_one_that_is_stronger_than_both() -> None:
    found = cut([A, B, C], {(A, B): 4, (B, C): 1, (A, C): 1}, A, C)

    assert found is not None
    assert found.links == [(A, C), (B, C)]


def test_what_no_link_holds_together_needs_no_cut() -> None:
    """Two who are one person because somebody said so."""
    found = cut([A, B, C], {(A, C): 2}, A, B)

    assert found is not None
    assert found.links == []
    assert B in found.parts[1]


def test_nothing_parts_one_from_itself() -> None:
    assert cut([A, B], {(A, B): 1}, A, A) is None


@given(GRAPHS)
def test_a_cut_parts_the_two_whatever_the_order_and_no_link_of_it_can_be_spared(
    strengths: dict[Pair, int],
) -> None:
    found = cut(NAMES, strengths, A, B)
    turned = cut(reversed(NAMES), dict(reversed(strengths.items())), A, B)

    assert found is not None
    assert turned == found
    left = strengths.keys() - set(found.links)
    assert B not in reached(left, A)
    for link in found.links:
        assert B in reached(left | {link}, A)
    assert found.parts[0] | found.parts[1] == set(NAMES)
    assert found.parts[0].isdisjoint(found.parts[1])


@given(GRAPHS)
def test_no_cut_is_cheaper(strengths: dict[Pair, int]) -> None:
    found = cut(NAMES, strengths, A, B)

    assert found is not None
    cost = sum(strengths[link] for link in found.links)
    others = [name for name in NAMES if name not in (A, B)]
    for chosen in range(2 ** len(others)):
        side = {A, *(name for at, name in enumerate(others) if chosen >> at & 1)}
        assert cost <= sum(s for ends, s in strengths.items() if (ends[0] in side) != (ends[1] in side))
