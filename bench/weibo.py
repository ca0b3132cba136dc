"""Real cascades as events: 3,387 posts on Weibo with 1.27 million reposts, one article and one read each.

A post is an article, a node of its cascade is a read by the node's user, who came by the link of the node above. The
whole set spans 4.7 years; here a second of it lasts 210 milliseconds, so that all of it fits into the 360 days before
*base* (an event may be 400 days old when it is received), and the order within a cascade stays what it was.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import orjson
import pyarrow.parquet

PARQUET = Path(__file__).parents[2] / "shared" / "data" / "weibo_cascades.parquet"
BASE = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = timedelta(days=360)
SECOND_US = 210_000

PHONE_EVERY = 5
PHONE_READS_MAX = 3


@dataclass(frozen=True, slots=True)
class Cascade:
    """One post, node by node.

    *parents* says from which node it was passed on (−1: from the post itself), *users* to whom, *at_us* how many
    microseconds after the window began. No two nodes have the same time; where the data gave them one, parents come
    before children.
    """

    id: int
    parents: Sequence[int]
    users: Sequence[int]
    at_us: Sequence[int]

    @property
    def article_id(self) -> str:
        """The id of the post as an article."""
        return f"weibo-{self.id}"


class Read(NamedTuple):
    """One node; sorts by time."""

    at_us: int
    cascade: int
    node: int
    parent: int
    user: int
    is_passed_on: bool


def cascades(parquet: Path = PARQUET, most: int | None = None) -> Iterator[Cascade]:
    """Read the first *most* cascades, in the order of their ids; their nodes are numbered from 0 without gaps."""
    table = pyarrow.parquet.read_table(parquet).sort_by([("cascade", "ascending"), ("node", "ascending")])
    columns = [table[name].to_pylist() for name in ("cascade", "parent", "user", "t_s")]
    for count, (cascade, rows) in enumerate(groupby(zip(*columns, strict=True), key=lambda row: row[0])):
        if count == most:
            return
        _, parents, users, seconds = zip(*rows, strict=True)
        yield Cascade(cascade, parents, users, _times(cascade, parents, seconds))


def reads(of: Iterable[Cascade]) -> list[Read]:
    """Return the reads of all these cascades as one stream, in the order of time."""
    found: list[Read] = []
    for cascade in of:
        passed_on = set(cascade.parents)
        rows = zip(cascade.at_us, cascade.parents, cascade.users, strict=True)
        found += [Read(at, cascade.id, node, up, user, node in passed_on) for node, (at, up, user) in enumerate(rows)]
    return sorted(found)


def events(stream: Sequence[Read], base: datetime = BASE) -> Iterator[dict[str, Any]]:
    """Yield the events of *stream*, all within the 360 days before *base*.

    A node is a read; one from which others came is a share too, at the same moment.
    """
    start = base - WINDOW
    times_met = Counter(read.user for read in stream)
    met: dict[int, int] = {}
    for at_us, cascade, node, parent, user, is_passed_on in stream:
        nth = met.get(user, 0)
        met[user] = nth + 1
        came_by = f"s-{cascade}-{parent}" if parent >= 0 else None
        read = {
            "id": f"w-{cascade}-{node}-r",
            "type": "article.read",
            "channel": "h5",
            "source": "weibo",
            "occurred_at": start + timedelta(microseconds=at_us),
            "identifiers": _identifiers(user, nth, times_met[user]),
            "strength": "declared" if _gives_phone(user, nth) else "observed",
            "article": {"id": f"weibo-{cascade}"},
            "share": {"token": came_by} if came_by else {},
        }
        yield read
        if is_passed_on:
            share = {"token": f"s-{cascade}-{node}", "parent_token": came_by}
            yield read | {"id": f"w-{cascade}-{node}-s", "type": "article.shared", "share": share}


def main() -> None:
    """Write the events as NDJSON, and on stderr how many there are."""
    parser = argparse.ArgumentParser(prog="python -m bench.weibo", description=main.__doc__)
    parser.add_argument("--parquet", type=Path, default=PARQUET)
    parser.add_argument("--out", type=Path, help="a file; standard output without it")
    parser.add_argument("--cascades", type=int, help="only the first so many")
    parser.add_argument("--base", type=datetime.fromisoformat, default=BASE, help="the end of the window, with zone")
    asked = parser.parse_args()
    begun = perf_counter()
    stream = reads(cascades(asked.parquet, asked.cascades))
    with asked.out.open("wb", 1 << 20) if asked.out else sys.stdout.buffer as out:
        for event in events(stream, asked.base):
            out.write(orjson.dumps(event, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
    _report(stream, perf_counter() - begun)


def _report(stream: Sequence[Read], seconds: float) -> None:
    shares = sum(read.is_passed_on for read in stream)
    counts = {
        "events": len(stream) + shares,
        "reads": len(stream),
        "shares": shares,
        "articles": len({read.cascade for read in stream}),
        "users": len({read.user for read in stream}),
    }
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    print(f"{said}; {seconds:.1f} s, {counts['events'] / seconds:,.0f} events/s", file=sys.stderr)


def _times(cascade: int, parents: Sequence[int], seconds: Sequence[int | None]) -> list[int]:
    """Spread the posts over the window, each as late as its own length allows, and part what happened in one second."""
    known = [_second(node, parents, seconds) for node in range(len(parents))]
    order = sorted(range(len(parents)), key=lambda node: (known[node], _depth(node, parents), node))
    slack_us = WINDOW // timedelta(microseconds=1) - (known[order[-1]] + 1) * SECOND_US
    posted_us = slack_us * (cascade * 2_654_435_761 % 2**32) >> 32
    at_us = [0] * len(parents)
    for second, nodes in groupby(order, key=known.__getitem__):
        for rank, node in enumerate(nodes):
            at_us[node] = posted_us + second * SECOND_US + rank
    return at_us


def _second(node: int, parents: Sequence[int], seconds: Sequence[int | None]) -> int:
    """Where the data are silent, a read comes a second after its parent's, or with the post."""
    second = seconds[node]
    if second is not None:
        return second
    return _second(parents[node], parents, seconds) + 1 if parents[node] >= 0 else 0


def _depth(node: int, parents: Sequence[int]) -> int:
    depth = 0
    while (node := parents[node]) >= 0:
        depth += 1
    return depth


def _identifiers(user: int, nth: int, of: int) -> list[str]:
    """Say who user *user* is in the read that has *nth* of his before it, *of* all.

    Nine in ten have a cookie; of those who come back, one in seven is at first nothing but that. The first reads of
    every fifth user name his phone.
    """
    cookie = f"anonymous_id@h5:c-{user:07x}"
    openid = f"wechat_openid@wx-weibo:u{user}"
    has_cookie = user % 10 != 9
    if has_cookie and nth == 0 and of > 1 and user % 7 == 3:
        return [cookie]
    who = [openid, cookie] if has_cookie else [openid]
    return [*who, f"phone:+86139{user:08d}"] if _gives_phone(user, nth) else who


def _gives_phone(user: int, nth: int) -> bool:
    return user % PHONE_EVERY == 0 and nth < PHONE_READS_MAX


if __name__ == "__main__":
    main()
