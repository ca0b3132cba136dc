"""Cascades as events, and the shape of articles worked out without the system."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet
import pytest

from bench import recompute, weibo
from bench.recompute import Shape
from bench.weibo import Cascade
from core.event import Event, Strength, Trust
from core.submission import parse
from stitcher.rules import shipped

# cascade, node, parent, user, t_s; node 4 is silent about its time, 2 and 3 share theirs with a parent or a sibling.
_ROWS = [
    (7, 0, -1, 10, 60),
    (7, 1, 0, 11, 90),
    (7, 2, 1, 12, 90),
    (7, 3, 0, 13, 90),
    (7, 4, 2, 14, None),
    (7, 5, -1, 15, 147_062_452),
    (9, 0, -1, 10, 5),
    (9, 1, 0, 10, 6),
    (9, 2, 0, 20, None),
    (9, 3, -1, 10, 8),
]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """The cascades of `_ROWS`, in a file."""
    names = ("cascade", "node", "parent", "user", "t_s")
    path = tmp_path / "cascades.parquet"
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*_ROWS, strict=True), strict=True))
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


class _System(BaseHTTPRequestHandler):
    """Knows one article, and tells those with the key `k` about it."""

    def do_GET(self) -> None:
        is_known = self.path == "/v1/articles/weibo-7/stats" and self.headers["Authorization"] == "Bearer k"
        sizes = [{"generation": 2, "people": 1, "ratio": 0.5}, {"generation": 1, "people": 2, "ratio": None}]
        self.send_response(200 if is_known else 404)
        self.end_headers()
        self.wfile.write(orjson.dumps({"readers": 3, "k_factor": 1 / 3, "depth": 2, "generations": sizes}))

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def system() -> Iterator[str]:
    """The URL of a `_System`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _System) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _parsed(parquet: Path) -> list[Event]:
    namespaces = shipped().namespaces
    return [
        parse(
            said,
            source="bench",
            trust=Trust.SERVER,
            strength=Strength.OBSERVED,
            received_at=weibo.BASE,
            namespaces=namespaces,
        )
        for said in weibo.events(weibo.reads(weibo.cascades(parquet)))
    ]


def _cascade(*nodes: tuple[int, int, int]) -> Cascade:
    """A cascade of (parent, user, time)."""
    parents, users, times = zip(*nodes, strict=True)
    return Cascade(1, parents, users, times)


def test_every_node_is_a_read_and_every_node_with_children_a_share(parquet: Path) -> None:
    ids = {event.id for event in _parsed(parquet)}

    assert {id_ for id_ in ids if id_.endswith("-r")} == {f"w-{row[0]}-{row[1]}-r" for row in _ROWS}
    assert {id_ for id_ in ids if id_.endswith("-s")} == {"w-7-0-s", "w-7-1-s", "w-7-2-s", "w-9-0-s"}


def test_the_stream_is_in_the_order_of_time_and_inside_the_window(parquet: Path) -> None:
    events = _parsed(parquet)

    assert events == sorted(events, key=lambda event: event.occurred_at)
    assert weibo.BASE - timedelta(days=390) <= events[0].occurred_at
    assert events[-1].occurred_at <= weibo.BASE
    assert all(event.claimed_at is None and not event.dropped for event in events)


def test_the_order_within_a_cascade_is_kept_and_no_two_reads_coincide(parquet: Path) -> None:
    first, second = weibo.cascades(parquet)

    assert sorted(range(6), key=first.at_us.__getitem__) == [0, 1, 3, 2, 4, 5]
    assert sorted(range(4), key=second.at_us.__getitem__) == [0, 1, 2, 3]
    assert len(set(first.at_us)) == 6


def test_a_read_without_a_time_comes_a_second_after_its_parents(parquet: Path) -> None:
    first, _ = weibo.cascades(parquet)

    assert first.at_us[4] // weibo.SECOND_US - first.at_us[2] // weibo.SECOND_US == 1


def test_every_link_by_which_somebody_came_is_somebodys(parquet: Path) -> None:
    events = _parsed(parquet)
    shares = [event.share for event in events if event.share]
    owned = {event.share.token for event in events if event.share and event.type == "article.shared"}

    assert {share.token for share in shares if share.token} == owned
    assert {share.parent_token for share in shares if share.parent_token} <= owned


def test_a_returning_reader_may_be_nothing_but_a_cookie_at_first() -> None:
    everybody = Cascade(0, [-1, -1, -1, -1], [3, 3, 5, 9], [1, 2, 3, 4])

    named = [event["identifiers"] for event in weibo.events(weibo.reads([everybody]))]

    assert named == [
        ["anonymous_id@h5:c-0000003"],
        ["wechat_openid@wx-weibo:u3", "anonymous_id@h5:c-0000003"],
        ["wechat_openid@wx-weibo:u5", "anonymous_id@h5:c-0000005", "phone:+8613900000005"],
        ["wechat_openid@wx-weibo:u9"],
    ]


def test_phones_are_those_that_phones_may_have() -> None:
    users = range(0, 1_064_970, 5 * 997)
    cascade = Cascade(0, [-1] * len(users), users, range(len(users)))

    named = weibo.events(weibo.reads([cascade]))
    parsed = [
        parse(
            said,
            source="bench",
            trust=Trust.SERVER,
            strength=Strength.OBSERVED,
            received_at=weibo.BASE,
            namespaces=shipped().namespaces,
        )
        for said in named
    ]

    assert not [event.dropped for event in parsed if event.dropped]
    assert len({m.value for event in parsed for m in event.identifiers if m.namespace == "phone"}) == len(users)


def test_it_writes_ndjson_and_counts_on_stderr(parquet: Path, tmp_path: Path) -> None:
    out = tmp_path / "events.ndjson"

    done = subprocess.run(
        [sys.executable, "-m", "bench.weibo", "--parquet", str(parquet), "--out", str(out), "--cascades", "1"],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(weibo.__file__).parents[1],
    )

    lines = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert len(lines) == 9
    assert lines[0]["article"] == {"id": "weibo-7"}
    assert done.stdout == ""
    assert done.stderr.startswith("9 events, 6 reads, 3 shares, 1 articles, 6 users;")


def test_the_shape_of_a_tree_by_hand() -> None:
    cascade = _cascade((-1, 1, 0), (0, 2, 1), (0, 3, 2), (1, 4, 3), (-1, 5, 4))

    assert recompute.shape(cascade) == Shape(readers=5, generations=(2, 2, 1), depth=3, k=3 / 5)


def test_ones_own_link_brings_nobody() -> None:
    cascade = _cascade((-1, 1, 0), (0, 1, 1), (1, 1, 2))

    assert recompute.shape(cascade) == Shape(readers=1, generations=(1,), depth=1, k=0)


def test_who_came_back_by_a_link_after_coming_by_his_own_stands_below_its_owner() -> None:
    """His own link does not count as what brought him, though it is when he entered."""
    cascade = _cascade((-1, 1, 0), (2, 2, 1), (0, 2, 2))

    assert recompute.shape(cascade) == Shape(readers=2, generations=(1, 1), depth=2, k=1 / 2)


def test_the_link_of_one_who_entered_later_brings_nobody() -> None:
    cascade = _cascade((1, 1, 0), (-1, 2, 5))

    assert recompute.shape(cascade) == Shape(readers=2, generations=(2,), depth=1, k=0)


def test_the_first_touch_decides_not_a_later_one() -> None:
    cascade = _cascade((-1, 1, 0), (-1, 2, 1), (0, 2, 2))

    assert recompute.shape(cascade) == Shape(readers=2, generations=(2,), depth=1, k=0)


def test_what_hangs_on_the_ids_of_persons_is_counted() -> None:
    entered_together = _cascade((-1, 1, 0), (0, 2, 0))
    two_links_at_once = _cascade((-1, 1, 0), (-1, 2, 1), (0, 3, 2), (1, 3, 2))
    link_and_none_at_once = _cascade((-1, 1, 0), (0, 3, 2), (-1, 3, 2))

    assert [recompute.ties(each) for each in (entered_together, two_links_at_once, link_and_none_at_once)] == [1, 1, 0]


def test_in_the_mapped_cascades_nothing_does(parquet: Path) -> None:
    assert sum(recompute.ties(cascade) for cascade in weibo.cascades(parquet)) == 0


def test_a_file_is_recomputed_by_article(parquet: Path) -> None:
    assert recompute.recompute(parquet) == {
        "weibo-7": Shape(readers=6, generations=(2, 2, 1, 1), depth=4, k=4 / 6),
        "weibo-9": Shape(readers=2, generations=(1, 1), depth=2, k=1 / 2),
    }
    assert list(recompute.recompute(parquet, most=1)) == ["weibo-7"]


def test_a_system_that_says_the_same_differs_in_nothing(system: str) -> None:
    assert recompute.compare(system, "k", {"weibo-7": Shape(3, (2, 1), 2, 1 / 3)}) == []


def test_what_a_system_says_otherwise_is_told(system: str) -> None:
    expected = {"weibo-7": Shape(3, (1, 1, 1), 3, 1 / 3), "weibo-8": Shape(1, (1,), 1, 0)}

    assert recompute.compare(system, "k", expected) == [
        "weibo-7: generations is (1, 1, 1), and the system says (2, 1)",
        "weibo-7: depth is 3, and the system says 2",
        "weibo-8: the system answers 404",
    ]
