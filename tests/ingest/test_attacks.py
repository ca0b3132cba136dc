"""Every attack on every collector: the right answer each time, nothing lost, nothing linked that should not be."""

import asyncio
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from core.errors import Unavailable
from core.event import PAST_MAX, decode
from core.log.port import EVENTS
from ingest.ads.platforms import PLATFORMS
from ingest.spool import Spool
from siyu.simulators.mini_program import MiniProgramUsers
from stitcher import graph
from stitcher.rules import shipped
from tests.ingest import signed
from tests.ingest.attacked import CHANNELS, COLLECTORS, channels, users
from tests.ingest.attacks import BOMB, DEEP, GBK, OVERHEARD, Attack, Collector, Right, Sent
from tests.ingest.collecting import Collecting
from tests.ingest.given import INDEX, NOW
from tests.ingest.loopback import listening
from tests.ingest.senders import KEY, ORDER, VALUES, shopify

RULES = shipped()
GZIP_BOMB = gzip.compress(bytes(64 << 20))


@dataclass
class Attacked:
    """An installation, and what stands for the placeholders in what is sent to it."""

    collecting: Collecting
    wechat: MiniProgramUsers
    tokens: Mapping[str, str]
    answers: list[httpx.Response]

    def send(self, sent: Sent) -> int:
        path = sent.path
        for name, token in self.tokens.items():
            path = path.replace(f"{{{name}}}", token)
        content = sent.content
        given: dict[str, object] = {"content": content, "headers": {n: v.encode() for n, v in sent.headers.items()}}
        if sent.query:
            given["params"] = sent.query
        answer = self.collecting.send(sent.method, path, **given)
        self.answers.append(answer)
        return answer.status_code

    def made(self, collector: Collector) -> Sent:
        """What *collector* is told, which is from now on one request."""
        sent = collector.known()
        return replace(sent, content=sent.content.replace(b"<code>", self.wechat.login_code("anna").encode()))

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.collecting.events]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(event["type"] for event in self.collecting.events)

    @property
    def kept(self) -> tuple[str, ...]:
        return tuple(record.headers["ce_code"] for record in self.collecting.quarantined)

    @property
    def bonds(self) -> frozenset[str]:
        """The namespaces that the stitcher links, two and two, by all that the log has."""
        events = [decode(record.value) for record in self.collecting.log.topics.get(EVENTS, [])]
        _, evidence = graph.read({event.uid: event for event in events}, RULES, INDEX)
        named = {node_id: node.identifier.namespace for node_id, node in evidence.nodes.items()}
        return frozenset(" ".join(sorted(named[node_id] for node_id in pair)) for pair in evidence.links)

    def drain(self) -> None:
        """Bring into the log what waits on the disk."""

        async def story() -> None:
            intake = self.collecting.intake()
            await Spool(intake, self.collecting.spool).drain()
            await intake.close()

        asyncio.run(story())


@pytest.fixture(scope="module")
def wechat() -> Iterator[tuple[MiniProgramUsers, str]]:
    known = users()
    with listening(known.application()) as address:
        yield known, address


@pytest.fixture
def attacked(
    collector: Collector,
    wechat: tuple[MiniProgramUsers, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Iterator[Attacked]:
    engine = request.getfixturevalue("engine") if collector.needs == "database" else None
    known, address = wechat
    collecting = Collecting(channels(address), engine=engine, spool=tmp_path / "spool", fetch=signed.amazon)
    tokens = _minted(collecting) if engine else {}
    attacked = Attacked(collecting, known, tokens, [])
    yield attacked
    seen = "".join(f"{answer.headers} {answer.text}" for answer in attacked.answers) + "".join(capfd.readouterr())
    seen += "".join(str(record.headers) for record in collecting.quarantined)
    assert not [value for value in VALUES if value in seen]


def _minted(collecting: Collecting) -> Mapping[str, str]:
    sender = {"authorization": "Bearer server"}
    wanted = {"url": "https://h5.example/a", "recipients": ["phone:13912345678"]}
    (text,) = collecting.send("POST", "/v1/links", json={**wanted, "channel": "sms"}, headers=sender).json()["data"]
    (mail,) = collecting.send("POST", "/v1/links", json={**wanted, "channel": "mail"}, headers=sender).json()["data"]
    opened = urlsplit(mail["open_url"]).path.removesuffix(".gif")
    paths = {"follow": text["url"], "open": opened, "leave": text["unsubscribe_url"]}
    return {name: path.rpartition("/")[2] for name, path in paths.items()}


def tried(*attacks: Attack) -> pytest.MarkDecorator:
    """Try *attacks* on all collectors on which they can be tried."""
    found = [
        pytest.param(collector, attack, id=f"{name}: {attack}")
        for name, collector in COLLECTORS.items()
        for attack in attacks
        if isinstance(collector.right[attack], Right)
    ]
    return pytest.mark.parametrize(("collector", "attack"), found)


def right(collector: Collector, attack: Attack) -> Right:
    said = collector.right[attack]
    assert isinstance(said, Right)
    return said


def sent_in(attack: Attack, collector: Collector, attacked: Attacked) -> Sequence[Sent]:
    known = attacked.made(collector)
    match attack:
        case Attack.FORGED:
            return collector.forged(known)
        case Attack.XML_BOMB:
            return [collector.says(BOMB)]
        case Attack.CHARSET:
            return [collector.says(GBK)]
        case Attack.DEEP:
            return [collector.says(DEEP)]
        case Attack.GZIP_BOMB:
            return [replace(known, content=GZIP_BOMB, headers={**known.headers, "Content-Encoding": "gzip"})]
        case Attack.LARGE:
            return [replace(known, content=bytes(2 << 20))]
        case Attack.UNKNOWN:
            assert collector.unknown is not None
            return [collector.unknown()]
    raise AssertionError(attack)


@pytest.mark.parametrize("name", COLLECTORS)
def test_of_each_attack_on_each_collector_the_table_says_what_is_right(name: str) -> None:
    said = COLLECTORS[name].right

    assert {*said} == {*Attack}
    assert all(isinstance(one, Right) or " " in one for one in said.values())


ONCE = (Attack.FORGED, Attack.XML_BOMB, Attack.CHARSET, Attack.GZIP_BOMB, Attack.LARGE, Attack.DEEP, Attack.UNKNOWN)


@tried(*ONCE)
def test_an_attack_is_answered_rightly(collector: Collector, attack: Attack, attacked: Attacked) -> None:
    expected = right(collector, attack)

    requests = sent_in(attack, collector, attacked)

    assert requests
    assert [attacked.send(sent) for sent in requests] == [expected.status] * len(requests)
    assert (attacked.kinds, attacked.kept) == (expected.kinds, expected.kept)
    assert attacked.bonds <= collector.bonds


@tried(Attack.REPLAYED, Attack.TWICE)
def test_what_comes_again_is_the_same_event_or_none(collector: Collector, attack: Attack, attacked: Attacked) -> None:
    expected = right(collector, attack)
    sent = attacked.made(collector)

    attacked.send(sent)
    first, before = attacked.kinds, attacked.ids
    if attack is Attack.REPLAYED:
        attacked.collecting.now += OVERHEARD
    again = attacked.send(sent)

    assert first
    assert not attacked.kept
    assert (again, attacked.kinds[len(first) :]) == (expected.status, expected.kinds)
    assert (attacked.ids == before + (before if expected.kinds else [])) is (collector.repeats or not expected.kinds)
    assert attacked.bonds == collector.bonds


@tried(Attack.LOG_DOWN)
def test_what_comes_while_the_log_is_down_is_taken_once(
    collector: Collector, attack: Attack, attacked: Attacked
) -> None:
    expected = right(collector, attack)
    attacked.collecting.log.failures.append(Unavailable("the log is down"))

    answer = attacked.send(attacked.made(collector))

    assert answer == expected.status
    assert attacked.kinds == ()
    if answer == 503:
        attacked.send(attacked.made(collector))  # its sender tries again
    else:
        attacked.drain()  # nobody does
    kinds = attacked.kinds
    assert kinds == (expected.kinds or right_kinds(collector))
    assert not attacked.kept
    assert attacked.bonds == collector.bonds
    ids = attacked.ids
    if collector.repeats:
        attacked.send(attacked.made(collector))
        assert attacked.ids == ids * 2


KEEPING = {
    name: one for name, one in COLLECTORS.items() if isinstance(said := one.right[Attack.CHARSET], Right) and said.kept
}


@pytest.mark.parametrize("collector", KEEPING.values(), ids=KEEPING)
def test_what_is_to_be_kept_is_not_lost_either_while_the_log_is_down(collector: Collector, attacked: Attacked) -> None:
    attacked.collecting.log.failures.append(Unavailable("the log is down"))

    assert [attacked.send(collector.says(GBK)) for _ in range(2)] == [503, 200]
    assert len(attacked.kept) == 1


@pytest.mark.parametrize("collector", KEEPING.values(), ids=KEEPING)
def test_what_comes_many_times_at_once_is_one_event(collector: Collector) -> None:
    to, sent = Collecting(CHANNELS, fetch=signed.amazon), collector.known()
    headers = {name: value.encode() for name, value in sent.headers.items()}
    one = (sent.method, sent.path, {"content": sent.content, "headers": headers, "params": sent.query})

    answers = to.send_all_at_once([one] * 20)

    assert {answer.status_code for answer in answers} == {200}
    assert len(to.events) % 20 == 0
    assert len({event["id"] for event in to.events}) == len(to.events) // 20


ACCOUNTS = {name: one for name, one in COLLECTORS.items() if one.known().path.startswith("/collect/")}


@pytest.mark.parametrize("collector", ACCOUNTS.values(), ids=ACCOUNTS)
def test_nobody_knows_an_account_that_is_not_there(collector: Collector) -> None:
    to, sent = Collecting(CHANNELS, fetch=signed.amazon), collector.known()
    headers = {name: value.encode() for name, value in sent.headers.items()}

    for path in (f"{sent.path}x", f"{sent.path}%2Fx", f"{sent.path}%00"):
        answer = to.send(sent.method, path, content=sent.content, headers=headers, params=sent.query)
        assert answer.status_code == 404
    assert not to.log.topics


FAR = ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00")


@pytest.mark.parametrize("at", FAR)
@pytest.mark.parametrize("apart", [timedelta(days=1), timedelta(0), -timedelta(days=1)])
@pytest.mark.parametrize("key", ["server", "browser"])
def test_a_clock_that_is_thousands_of_years_off_costs_no_event(at: str, apart: timedelta, key: str) -> None:
    to, told = Collecting({}), {"userId": "u1", "event": "E", "timestamp": at, "sentAt": (NOW + apart).isoformat()}

    answer = to.send("POST", "/v1/track", json=told, headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 200
    assert len(to.events) == 1
    assert abs(decode(to.log.records[0].value).occurred_at - NOW) <= PAST_MAX


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_click_after_the_year_9999_is_one_of_now(platform: str) -> None:
    to = Collecting(CHANNELS)
    time = next(name for name, target in PLATFORMS[platform].parameters.items() if target == "occurred_at")  # type: ignore[index] # each is one of them

    answer = to.send("GET", f"/collect/ads/{platform}", params={"key": KEY, time: "9" * 15})

    assert answer.status_code == 200
    assert [event["occurred_at"] for event in to.events] == ["2026-11-03T13:00:00Z"]


def test_a_quantity_that_no_machine_can_count_costs_no_order() -> None:
    to = Collecting(CHANNELS)
    lines = [{"sku": "a", "quantity": "9" * 5_000}, {"sku": "b", "quantity": "2"}]
    sent = shopify("orders/create")(orjson.dumps({**ORDER, "line_items": lines}))

    answer = to.send("POST", sent.path, content=sent.content, headers=dict(sent.headers))

    assert answer.status_code == 200
    assert to.events[0]["order"]["items"] == [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}]


def right_kinds(collector: Collector) -> tuple[str, ...]:
    """What *collector* is told, by what is right when it is told twice."""
    return right(collector, Attack.TWICE).kinds or ("identify",)
