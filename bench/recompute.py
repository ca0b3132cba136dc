"""The shape of every article, worked out a second time: from the cascades, by networkx, with no code of the system.

What is recomputed is the definition. The nodes of a share tree are people. A person enters with his first touch; he
stands below the owner of the link that brought him first, his own links not counted, if that owner entered before him,
and otherwise below the push. Generations are steps from the push.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from math import isclose
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import networkx as nx

from bench.weibo import PARQUET, Cascade, cascades

TIMEOUT_SECONDS = 60
SHOWN_MAX = 20

PUSH = -1


@dataclass(frozen=True, slots=True)
class Shape:
    """How an article travelled: *generations* counts people, those whom the push itself reached first."""

    readers: int
    generations: tuple[int, ...]
    depth: int
    k: float


class Touch(NamedTuple):
    """Somebody opened a link of *sharer* (`None`: no link)."""

    at_us: int
    user: int
    sharer: int | None


def recompute(parquet: Path = PARQUET, most: int | None = None) -> dict[str, Shape]:
    """Return the shape of the first *most* cascades by the id of the article."""
    return {cascade.article_id: shape(cascade) for cascade in cascades(parquet, most)}


def shape(cascade: Cascade) -> Shape:
    """Return the shape of one cascade."""
    grown = tree(cascade)
    steps = nx.single_source_shortest_path_length(grown, PUSH)
    sizes = Counter(steps.values())
    readers = len(grown) - 1
    depth = max(steps.values())
    return Shape(readers, tuple(sizes[step] for step in range(1, depth + 1)), depth, (readers - sizes[1]) / readers)


def tree(cascade: Cascade) -> "nx.DiGraph[int]":
    """Return who stands right below whom: an edge from each user, or from `PUSH`, to those whom his link brought."""
    entered = _entered(cascade)
    brought = _brought(cascade)
    grown: nx.DiGraph[int] = nx.DiGraph()
    grown.add_node(PUSH)
    grown.add_edges_from((_parent(user, brought.get(user, []), entered), user) for user in entered)
    return grown


def ties(cascade: Cascade) -> int:
    """Count the people of whom it cannot be said without knowing the ids of persons below whom they stand.

    They touched links of two people at once, or entered at the same moment as the one who may have brought them.
    """
    entered = _entered(cascade)
    return sum(_is_tied(own, entered) for own in _brought(cascade).values())


def compare(url: str, key: str, expected: Mapping[str, Shape], threads: int = 8) -> list[str]:
    """Ask the system at *url* for each article, and return what it says otherwise, a sentence each."""
    with ThreadPoolExecutor(threads) as pool:
        told = pool.map(lambda article_id: _told(url, key, article_id), expected)
        answers = zip(expected.items(), told, strict=True)
        return [line for (article_id, shape), said in answers for line in _odd(article_id, shape, said)]


def main() -> None:
    """Compare a running system with the recomputation; exit with 1 where they differ."""
    parser = argparse.ArgumentParser(prog="python -m bench.recompute", description=main.__doc__)
    parser.add_argument("--api", required=True, help="for instance http://127.0.0.1:8600")
    parser.add_argument("--key", required=True, help="an API key with the scope people:read")
    parser.add_argument("--parquet", type=Path, default=PARQUET)
    parser.add_argument("--cascades", type=int, help="only the first so many")
    asked = parser.parse_args()
    expected = recompute(asked.parquet, asked.cascades)
    tied = sum(ties(cascade) for cascade in cascades(asked.parquet, asked.cascades))
    found = compare(asked.api, asked.key, expected)
    for line in islice(found, SHOWN_MAX):
        print(line, file=sys.stderr)
    print(f"{len(expected):,} articles, {len(found):,} differences, {tied:,} ties", file=sys.stderr)
    sys.exit(1 if found else 0)


def _touches(cascade: Cascade) -> Iterator[Touch]:
    for at_us, parent, user in zip(cascade.at_us, cascade.parents, cascade.users, strict=True):
        yield Touch(at_us, user, cascade.users[parent] if parent >= 0 else None)


def _entered(cascade: Cascade) -> dict[int, tuple[int, int]]:
    """When each user came, as a place in the order of all: (time, user)."""
    first: dict[int, tuple[int, int]] = {}
    for touch in _touches(cascade):
        place = (touch.at_us, touch.user)
        first[touch.user] = min(place, first.get(touch.user, place))
    return first


def _brought(cascade: Cascade) -> dict[int, list[Touch]]:
    """The touches of each user by other links than his own, those at the earliest moment only."""
    earliest: dict[int, list[Touch]] = {}
    for touch in sorted(_touches(cascade), key=itemgetter(0)):
        if touch.sharer != touch.user:
            own = earliest.setdefault(touch.user, [touch])
            if own[0] is not touch and own[0].at_us == touch.at_us:
                own.append(touch)
    return earliest


def _parent(user: int, brought: Sequence[Touch], entered: Mapping[int, tuple[int, int]]) -> int:
    sharers = [touch.sharer for touch in brought if touch.sharer is not None]
    first = min(sharers, default=None)
    return first if first is not None and entered[first] < entered[user] else PUSH


def _is_tied(brought: Sequence[Touch], entered: Mapping[int, tuple[int, int]]) -> bool:
    sharers = {touch.sharer for touch in brought if touch.sharer is not None}
    at_us = entered[brought[0].user][0]
    return len(sharers) > 1 or any(entered[sharer][0] == at_us for sharer in sharers)


def _told(url: str, key: str, article_id: str) -> Mapping[str, Any] | int:
    """What the system says of an article, or the status by which it says nothing."""
    stats = f"{url.rstrip('/')}/v1/articles/{quote(article_id, safe='')}/stats"
    try:
        with urlopen(Request(stats, headers={"Authorization": f"Bearer {key}"}), timeout=TIMEOUT_SECONDS) as answer:
            return dict(json.load(answer))
    except HTTPError as error:
        with error:
            return error.code


def _odd(article_id: str, expected: Shape, said: Mapping[str, Any] | int) -> Iterator[str]:
    if isinstance(said, int):
        yield f"{article_id}: the system answers {said}"
        return
    found = Shape(
        readers=said["readers"],
        generations=tuple(each["people"] for each in sorted(said["generations"], key=itemgetter("generation"))),
        depth=said["depth"],
        k=said["k_factor"],
    )
    for (name, ours), theirs in zip(asdict(expected).items(), asdict(found).values(), strict=True):
        if not (ours == theirs or (name == "k" and theirs is not None and isclose(ours, theirs))):
            yield f"{article_id}: {name} is {ours}, and the system says {theirs}"


if __name__ == "__main__":
    main()
