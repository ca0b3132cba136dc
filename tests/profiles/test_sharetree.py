"""How an article travels: laws of the tree, and an independent computation by another library."""

from datetime import UTC, datetime, timedelta
from random import Random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identifier import IdentifierId, PersonId
from profiles.sharetree import Touch, Tree, grow

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


def named(name: str) -> PersonId:
    return PersonId(IdentifierId(name))


def touch(person: str, minute: float, sharer: str | None = None) -> Touch:
    return Touch(named(person), NOON + timedelta(minutes=minute), named(sharer) if sharer else None)


def parents(tree: Tree) -> dict[str, str | None]:
    return {person: node.parent for person, node in tree.nodes.items()}


def names(tree: Tree, root: str | None, depth: int | None = None) -> str:
    return "".join(node.person for node in tree.below(named(root) if root else None, depth))


people = st.sampled_from("abcdefgh")
touches = st.lists(st.builds(touch, people, st.integers(0, 9), st.none() | people), max_size=25)


def graph(tree: Tree) -> "nx.DiGraph[str]":
    """The same tree by networkx, hung on a root named "push"."""
    drawn: nx.DiGraph[str] = nx.DiGraph()
    drawn.add_node("push")
    drawn.add_edges_from((node.parent or "push", person) for person, node in tree.nodes.items())
    return drawn


@given(touches)
def test_everybody_whom_it_reached_is_in_the_tree_once_and_hangs_on_the_push(touches: list[Touch]) -> None:
    """Whatever the clocks said: no circles, nobody lost, nobody twice."""
    tree = grow(touches)

    assert tree.nodes.keys() == {touch.person for touch in touches}
    assert nx.is_arborescence(graph(tree))


@given(touches)
def test_a_generation_is_one_step_from_the_one_before(touches: list[Touch]) -> None:
    """Generation, descendants, children and depth are those that networkx finds by walking."""
    tree = grow(touches)
    drawn = graph(tree)
    steps = nx.single_source_shortest_path_length(drawn, "push")

    for person, node in tree.nodes.items():
        assert node.generation == steps[person] == (tree.nodes[node.parent].generation if node.parent else 0) + 1
        assert node.descendants == len(nx.descendants(drawn, person))
        assert node.children == drawn.out_degree(person)
    assert tree.depth == max(steps.values())
    assert [*tree.generations] == [sum(step == n for step in steps.values()) for n in range(1, tree.depth + 1)]


@given(touches)
def test_the_k_factor_is_who_was_brought_by_somebody_of_all_who_came(touches: list[Touch]) -> None:
    """People are brought by the push or by people; nobody counts twice."""
    tree = grow(touches)
    drawn = graph(tree)

    brought = sum(parent != "push" for parent, _ in drawn.edges)
    assert tree.k_factor == (brought / len(tree.nodes) if touches else None)
    assert sum(node.children for node in tree.nodes.values()) == brought


@given(touches)
def test_every_parent_entered_before_his_children_and_stands_before_them(touches: list[Touch]) -> None:
    """The order of the tree is the order of entry."""
    tree = grow(touches)
    order = [*tree.nodes]

    assert [node.entered_at for node in tree.nodes.values()] == sorted(node.entered_at for node in tree.nodes.values())
    for person, node in tree.nodes.items():
        assert node.entered_at == min(touch.at for touch in touches if touch.person == person)
        assert node.parent is None or order.index(node.parent) < order.index(person)


@given(touches)
def test_nobody_stands_below_one_whose_link_he_never_had(touches: list[Touch]) -> None:
    """An edge is always a touch that says so."""
    said = {(touch.person, touch.sharer) for touch in touches}

    assert all(parent is None or (person, parent) in said for person, parent in parents(grow(touches)).items())


@given(touches, st.randoms(use_true_random=False))
def test_the_order_in_which_touches_are_read_does_not_matter(touches: list[Touch], random: Random) -> None:
    """Nor how often one is read."""
    shuffled = touches + touches[: len(touches) // 2]
    random.shuffle(shuffled)

    assert [*grow(shuffled).nodes.items()] == [*grow(touches).nodes.items()]


@given(touches, st.none() | people, st.none() | st.integers(0, 4))
def test_below_somebody_are_he_and_who_is_so_many_steps_away(
    touches: list[Touch], root: str | None, depth: int | None
) -> None:
    """What networkx reaches from there, in the order of entry."""
    tree = grow(touches)
    drawn = graph(tree)
    reached = nx.single_source_shortest_path_length(drawn, root or "push", depth) if (root or "push") in drawn else {}

    assert names(tree, root, depth) == "".join(person for person in tree.nodes if person in reached)


@given(touches, st.integers(0, 9))
def test_the_top_spreaders_are_those_with_the_most_below_them(touches: list[Touch], most: int) -> None:
    """Only who brought anybody, and no more than asked for."""
    tree = grow(touches)
    top = tree.top_spreaders(most)

    assert len(top) == min(most, sum(1 for node in tree.nodes.values() if node.children))
    assert [node.descendants for node in top] == sorted((n.descendants for n in tree.nodes.values()), reverse=True)[
        : len(top)
    ]


def test_an_article_that_reached_nobody_has_no_tree() -> None:
    tree = grow([])

    assert (tree.depth, tree.k_factor, [*tree.generations], tree.top_spreaders(5), names(tree, None)) == (
        0,
        None,
        [],
        [],
        "",
    )


def test_who_came_by_a_link_stands_below_its_owner() -> None:
    """Case F6."""
    tree = grow([touch("a", 0), touch("b", 1, "a"), touch("c", 2, "b"), touch("d", 3, "b")])

    assert parents(tree) == {"a": None, "b": "a", "c": "b", "d": "b"}
    assert [*tree.generations] == [1, 1, 2]
    assert tree.k_factor == 3 / 4


def test_ones_own_link_brings_nobody() -> None:
    """Case F7."""
    assert parents(grow([touch("a", 0), touch("a", 1, "a")])) == {"a": None}
    assert parents(grow([touch("a", 0, "a"), touch("b", 0.5), touch("a", 1, "b")])) == {"a": None, "b": None}


def test_opening_ones_own_link_first_does_not_hide_who_brought_him() -> None:
    assert parents(grow([touch("a", 0), touch("b", 1, "b"), touch("b", 2, "a")])) == {"a": None, "b": "a"}


def test_the_first_touch_decides_by_whom_he_came() -> None:
    assert parents(grow([touch("a", 0), touch("b", 0), touch("c", 2, "b"), touch("c", 1, "a")]))["c"] == "a"
    assert parents(grow([touch("a", 0), touch("c", 1), touch("c", 2, "a")]))["c"] is None


def test_of_two_first_touches_at_once_the_one_by_a_known_link_decides() -> None:
    assert parents(grow([touch("a", 0), touch("c", 1), touch("c", 1, "a")]))["c"] == "a"


def test_a_sharer_who_entered_later_brought_nobody() -> None:
    assert parents(grow([touch("a", 1, "b"), touch("b", 2)])) == {"a": None, "b": None}
    assert parents(grow([touch("a", 1, "b"), touch("b", 2, "a")])) == {"a": None, "b": "a"}


def test_a_sharer_whom_it_never_reached_brought_nobody_that_is_known() -> None:
    assert parents(grow([touch("a", 1, "z")])) == {"a": None}


def test_of_two_who_entered_at_once_one_stands_above_always_the_same() -> None:
    assert parents(grow([touch("a", 1, "b"), touch("b", 1, "a")])) == {"a": None, "b": "a"}


def test_a_branch_can_be_asked_for_and_cut() -> None:
    tree = grow([touch("a", 0), touch("b", 1, "a"), touch("c", 2, "b"), touch("d", 3, "c"), touch("e", 4)])

    assert names(tree, None) == "abcde"
    assert names(tree, None, 1) == "ae"
    assert names(tree, "b") == "bcd"
    assert names(tree, "b", 1) == "bc"
    assert names(tree, "b", 0) == "b"
    assert names(tree, "z") == ""


@pytest.mark.parametrize("length", [10_000])
def test_a_chain_as_long_as_you_like_is_no_trouble(length: int) -> None:
    chain = [touch(f"{n:06}", n, f"{n - 1:06}" if n else None) for n in range(length)]

    tree = grow(reversed(chain))

    assert tree.depth == length
    assert tree.nodes[named("000000")].descendants == length - 1


def test_of_many_who_spread_it_those_with_the_most_below_them_come_first() -> None:
    """Case F8: one link, a thousand strangers."""
    tree = grow([touch("a", 0), touch("b", 1, "a"), *(touch(f"{n:04}", 2, "b") for n in range(1_000))])

    assert [(node.person, node.descendants, node.children) for node in tree.top_spreaders(10)] == [
        ("a", 1_001, 1),
        ("b", 1_000, 1_000),
    ]
    assert [*tree.generations] == [1, 1, 1_000]
