"""Platforms are asked who those are whom the log names, and their answers make people one: nothing lost, nothing twice."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from core.database import transaction
from core.errors import Unavailable
from core.event import decode
from core.identifier import BlindIndex
from core.log.port import EVENTS, Consumer, Record
from core.log.postgres import PostgresLog
from ingest import enriching, questions
from ingest.channels import Channels
from ingest.enriching import Asker, Enrichment
from ingest.enrichment import AGAIN_AFTER
from ingest.intake import sender
from ingest.receive import Receiver
from ingest.wechat.crypto import Secretbox, signature
from ingest.wechat.keeper import Keeper
from siyu.simulators.wechat_api import Customer, Follower, WeChatApi, WeComApi
from stitcher.rules import shipped
from stitcher.worker import Stitcher
from tests.ingest.given import DEFAULTS
from tests.ingest.loopback import listening
from tests.siyu.test_cli import ADMIN_KEY, Siyu
from tests.siyu.test_end_to_end import ADMIN, served, wait_until

APP, MINI, CORP = "wxb00c", "wxm1n1", "ww6a11"
WECHAT_SECRET, WECOM_SECRET = "secret-of-the-app", "secret-of-the-corp"
KEY = b"k" * 32
INDEX = BlindIndex(KEY)
AES_KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR"


class Platforms:
    """WeChat and WeCom, listened to, and the channels file of a brand that is at both."""

    def __init__(self, wechat_url: str, wecom_url: str, wechat: WeChatApi, wecom: WeComApi) -> None:
        self.wechat = wechat
        self.wecom = wecom
        self.urls = (wechat_url, wecom_url)

    def channels(self) -> dict[str, Any]:
        account = {"token": "AAAAA", "open_platform": "brand"}
        official = {**account, "app_id": APP, "secret": WECHAT_SECRET, "api_url": self.urls[0]}
        mini = {**account, "app_id": MINI, "secret": "s", "kind": "mini_program", "api_url": self.urls[0]}
        corp = {**account, "corp_id": CORP, "encoding_aes_key": AES_KEY, "secret": WECOM_SECRET}
        return {"wechat": {"main": official, "mini": mini}, "wecom": {"hq": {**corp, "api_url": self.urls[1]}}}


@pytest.fixture
def platforms() -> Iterator[Platforms]:
    wechat, wecom = WeChatApi(secrets={APP: WECHAT_SECRET}), WeComApi(secrets={CORP: WECOM_SECRET})
    with listening(wechat.application()) as wechat_url, listening(wecom.application()) as wecom_url:
        yield Platforms(wechat_url, wecom_url, wechat, wecom)


class Whole:
    """What reads, asks and stitches, over one database, each called by the test when its turn has come."""

    def __init__(self, engine: Engine, platforms: Platforms, without: str = "") -> None:
        self.engine = engine
        self.log = PostgresLog(engine, 2)
        self.now = datetime.now(UTC)
        declared = {family: accounts for family, accounts in platforms.channels().items() if family != without}
        channels = Channels.model_validate(declared)
        rules = shipped()
        self.receiver = Receiver(rules.namespaces, DEFAULTS, INDEX, self.clock, channels.declared)
        askers = enriching.askers(channels, Keeper(engine, KEY, self.clock))
        self.enrichment = Enrichment(
            engine, self.log, self.receiver, INDEX, self.clock, askers, back_off_seconds_max=0.2
        )
        self._stitcher = Stitcher(engine, rules, INDEX, self.clock)

    def clock(self) -> datetime:
        return self.now

    def tell(
        self, *who: str, type: str = "official_account.followed", id: str = "", source: str = "wechat:main"
    ) -> None:
        """Bring an event into the log that names *who*."""
        channel = type.partition(".")[0] if "." in type else "official_account"
        document = {
            "id": id or f"{type} {who}",
            "type": type,
            "channel": channel,
            "occurred_at": self.now.isoformat(),
            "identifiers": list(who),
            "strength": "platform",
        }
        self.log.append(EVENTS, [self.receiver.receive(document, sender(source))[1]])

    def read(self) -> None:
        for account in self.enrichment.accounts:
            with self.log.consumer(EVENTS, enriching.group_of(account)) as consumer:
                while self.enrichment.read_once(account, consumer, 0.1):
                    pass

    def asker(self, namespace: str) -> Asker:
        return next(one for one in self.enrichment.askers if one.source.namespace == namespace)

    def ask(self) -> None:
        for asker in self.enrichment.askers:
            while self.enrichment.ask(asker):
                pass

    def enrich(self) -> None:
        """Read and ask until there is nothing left to do."""
        for _ in range(4):
            self.read()
            self.ask()

    def stitched(self) -> dict[str, str]:
        """The person of each identifier, once all that is in the log was taken."""
        with self.log.consumer(EVENTS, "test") as consumer:
            while batch := consumer.read(1_000, 0.1):
                self._stitcher.take(batch)
                consumer.commit({stored.partition: stored.position + 1 for stored in batch})  # type: ignore[misc] # a position
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT value, person_id::text FROM identifier"))
            return {row.value: row.person_id for row in rows}

    def published(self) -> list[Any]:
        """The events that enrichment brought into the log."""
        with self.log.consumer(EVENTS, f"looking {time.monotonic()}") as consumer:
            batches = iter(lambda: consumer.read(1_000, 0.1), [])
            events = [decode(stored.record.value) for batch in batches for stored in batch]
        return [event for event in events if event.source.startswith("enrichment:")]

    def waiting(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM question WHERE value IS NOT NULL")).scalar_one())


@pytest.fixture
def whole(engine: Engine, platforms: Platforms) -> Whole:
    return Whole(engine, platforms)


def openid(name: str, app: str = APP) -> str:
    return f"wechat_openid@{app}:o{name}{app}"


def follower(platforms: Platforms, name: str, **fields: Any) -> str:
    """Let somebody follow the account, and return his openid."""
    platforms.wechat.followers[f"o{name}{APP}"] = Follower(f"u{name}", **fields)
    return openid(name)


# Who is who


def test_a_follower_and_the_user_of_a_mini_program_become_one_person(whole: Whole, platforms: Platforms) -> None:
    whole.tell(follower(platforms, "Anna"))
    whole.tell(openid("Anna", MINI), "wechat_unionid@brand:uAnna", type="mini_program.opened")
    before = whole.stitched()

    whole.enrich()
    after = whole.stitched()

    assert before[f"oAnna{APP}"] != before[f"oAnna{MINI}"]
    assert after[f"oAnna{APP}"] == after[f"oAnna{MINI}"] == after["uAnna"]
    assert platforms.wechat.asked["user/info/batchget"] == 1


def test_a_customer_of_the_corp_is_joined_by_his_unionid(whole: Whole, platforms: Platforms) -> None:
    platforms.wecom.customers["wmAnna"] = Customer("uAnna", ("13912345678",))
    whole.tell(openid("Anna", MINI), "wechat_unionid@brand:uAnna", type="mini_program.opened")
    whole.tell(f"wecom_external_userid@{CORP}:wmAnna", type="wecom.contact_added", source="wecom:hq")

    whole.enrich()
    people = whole.stitched()

    assert people["wmAnna"] == people["uAnna"] == people[f"oAnna{MINI}"]
    assert "+8613912345678" not in people, "a number that somebody noted names nobody"
    assert [event.properties for event in whole.published()] == [{"remark_mobiles": ["13912345678"]}]


def test_a_follower_who_was_a_customer_long_before_is_found_by_his_unionid(whole: Whole, platforms: Platforms) -> None:
    """No event ever tells his unionid and his external id: the corp is asked once the account has told the one."""
    platforms.wecom.customers["wmAnna"] = Customer("uAnna")
    whole.tell(follower(platforms, "Anna"))

    whole.enrich()
    people = whole.stitched()

    assert people["wmAnna"] == people[f"oAnna{APP}"]
    assert platforms.wecom.asked["idconvert/unionid_to_external_userid"] == 1
    assert platforms.wecom.asked["externalcontact/get"] == 0


def test_who_is_no_customer_yet_has_a_pending_id_for_ninety_days(whole: Whole, platforms: Platforms) -> None:
    whole.tell(follower(platforms, "Anna"))

    whole.enrich()
    (followed, pending) = whole.published()

    assert pending.properties["pending_id"] == "pending-uAnna"
    assert datetime.fromisoformat(str(pending.properties["pending_until"])) == whole.now + timedelta(days=90)
    assert [mention.namespace for mention in pending.identifiers] == ["wechat_unionid"]
    assert set(whole.stitched()) == {f"oAnna{APP}", "uAnna"}
    assert followed.source == "enrichment:wechat:main"


def test_many_are_asked_about_at_once(whole: Whole, platforms: Platforms) -> None:
    for number in range(250):
        whole.tell(follower(platforms, f"N{number}"))
    whole.read()

    while whole.enrichment.ask(whole.asker("wechat_openid")):
        pass

    assert platforms.wechat.asked["user/info/batchget"] == 3
    assert len(whole.published()) == 250


def test_an_account_that_is_declared_later_is_asked_about_all_whom_the_log_ever_named(
    engine: Engine, platforms: Platforms
) -> None:
    platforms.wecom.customers["wmAnna"] = Customer("uAnna")
    before = Whole(engine, platforms, without="wecom")
    before.tell(follower(platforms, "Anna"))
    before.enrich()
    assert "wmAnna" not in before.stitched()

    after = Whole(engine, platforms)
    after.enrich()
    people = after.stitched()

    assert people["wmAnna"] == people[f"oAnna{APP}"]
    assert platforms.wechat.asked["user/info/batchget"] == 1


# Once


def test_nobody_is_asked_about_twice_and_a_replay_asks_nothing(whole: Whole, platforms: Platforms) -> None:
    whole.tell(follower(platforms, "Anna"))
    whole.tell(follower(platforms, "Bert"), type="official_account.menu_clicked")
    whole.enrich()
    asked = platforms.wechat.asked.copy(), platforms.wecom.asked.copy()

    whole.tell(openid("Anna"), type="official_account.menu_clicked")
    whole.enrich()
    with transaction(whole.engine) as connection:
        connection.execute(text("DELETE FROM log_position"))
    whole.enrich()

    assert (platforms.wechat.asked, platforms.wecom.asked) == asked
    assert len(whole.published()) == 4


def test_what_had_no_answer_is_asked_again_after_a_while_if_he_is_named_again(
    whole: Whole, platforms: Platforms
) -> None:
    """The account may have been bound to an Open Platform account meanwhile."""
    platforms.wechat.followers[f"oAnna{APP}"] = Follower()
    whole.tell(openid("Anna"))
    whole.enrich()
    follower(platforms, "Anna")

    whole.tell(openid("Anna"), id="soon")
    whole.enrich()
    assert whole.published() == []
    whole.now += AGAIN_AFTER
    whole.tell(openid("Anna"), id="late")
    whole.enrich()

    assert len(whole.published()) == 2
    assert platforms.wechat.asked["user/info/batchget"] == 2


def test_about_whom_is_in_clear_only_until_it_is_answered(whole: Whole, platforms: Platforms) -> None:
    whole.tell(follower(platforms, "Anna"))
    whole.read()
    assert whole.waiting() == 1

    whole.enrich()

    assert whole.waiting() == 0
    with whole.engine.connect() as connection:
        assert "Anna" not in str(connection.execute(text("SELECT * FROM question")).all())


def test_who_leaves_before_he_was_asked_about_is_not(whole: Whole, platforms: Platforms) -> None:
    whole.tell(follower(platforms, "Anna"))
    whole.read()
    whole.tell(openid("Anna"), type="official_account.unfollowed")
    whole.enrich()

    assert whole.published() == []
    assert platforms.wechat.asked["user/info/batchget"] == 0


# What goes wrong


def test_an_openid_that_the_platform_does_not_know_keeps_no_other_waiting(whole: Whole, platforms: Platforms) -> None:
    for number in range(9):
        whole.tell(follower(platforms, f"N{number}"))
        whole.tell(openid(f"Forged{number}")) if number % 4 == 0 else None
    whole.enrich()

    assert {f"uN{number}" for number in range(9)} <= whole.stitched().keys()
    assert whole.waiting() == 0


@pytest.mark.parametrize("trouble", ["down", "busy", "quota", "log"])
def test_while_something_does_not_answer_nothing_is_lost(
    whole: Whole, platforms: Platforms, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    platforms.wechat.is_down = trouble == "down"
    platforms.wechat.is_busy = trouble == "busy"
    platforms.wechat.quota = 0 if trouble == "quota" else None
    whole.tell(follower(platforms, "Anna"))
    whole.read()
    if trouble == "log":
        monkeypatch.setattr(PostgresLog, "append", _unavailable)

    for _ in range(3):
        with pytest.raises(Unavailable):
            whole.enrichment.ask(whole.asker("wechat_openid"))
    assert whole.waiting() == 1
    monkeypatch.undo()
    platforms.wechat.is_down = platforms.wechat.is_busy = False
    platforms.wechat.quota = None
    whole.now += timedelta(minutes=1)
    whole.enrich()

    assert whole.stitched()[f"oAnna{APP}"] == whole.stitched()["uAnna"]


def _unavailable(*_: object) -> Sequence[Any]:
    raise Unavailable("the log does not answer")


def test_one_platform_that_is_down_does_not_keep_the_other_waiting(whole: Whole, platforms: Platforms) -> None:
    platforms.wecom.is_down = True
    platforms.wecom.customers["wmBert"] = Customer("uBert")
    whole.tell(f"wecom_external_userid@{CORP}:wmBert", type="wecom.contact_added", source="wecom:hq")
    whole.tell(follower(platforms, "Anna"))

    with running(whole.enrichment):
        wait_until(lambda: "uAnna" in whole.stitched())
        assert "uBert" not in whole.stitched()
        platforms.wecom.is_down = False
        wait_until(lambda: later(whole) and "uBert" in whole.stitched())


def test_a_crash_between_the_answer_and_its_settling_changes_nothing(
    whole: Whole, platforms: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.tell(follower(platforms, "Anna"))
    whole.read()
    with monkeypatch.context() as crashing:
        crashing.setattr(questions, "settle", _crash)
        with pytest.raises(ZeroDivisionError):
            whole.enrichment.ask(whole.asker("wechat_openid"))
    people = whole.stitched()

    whole.now += timedelta(seconds=30)
    whole.ask()

    first, second, *_ = [event for event in whole.published() if event.source == "enrichment:wechat:main"]
    assert first.uid == second.uid
    assert whole.stitched() == people
    assert _touchpoints(whole.engine) == 2


def test_a_crash_between_the_questions_and_the_position_changes_nothing(whole: Whole, platforms: Platforms) -> None:
    whole.tell(follower(platforms, "Anna"))
    with whole.log.consumer(EVENTS, enriching.group_of("wechat:main")) as consumer:
        with suppress(ZeroDivisionError):
            whole.enrichment.read_once("wechat:main", Crashing(consumer), 1.0)
        whole.ask()
    whole.enrich()

    assert platforms.wechat.asked["user/info/batchget"] == 1
    assert len(whole.published()) == 2


def test_a_crash_before_the_questions_are_noted_loses_none(
    whole: Whole, platforms: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.tell(follower(platforms, "Anna"))
    with monkeypatch.context() as crashing:
        crashing.setattr(questions, "note", _crash)
        with pytest.raises(ZeroDivisionError):
            whole.read()
    whole.enrich()

    assert len(whole.published()) == 2


class Crashing:
    """A consumer that dies before it commits."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.consumer, name)

    def commit(self, _: object) -> None:
        raise ZeroDivisionError

    def __enter__(self) -> "Crashing":
        return self

    def __exit__(self, *_: object) -> None: ...


def _crash(*_: object) -> None:
    raise ZeroDivisionError


def test_what_is_no_event_is_left_to_the_stitcher(whole: Whole) -> None:
    whole.log.append(EVENTS, [Record("k", b'{"' + APP.encode() + b'"', {})])

    whole.enrich()

    assert whole.waiting() == 0


# Loops


class running:  # noqa: N801 - reads as what it does
    """The loops of an enrichment, for the time of a block."""

    def __init__(self, *enrichments: Enrichment) -> None:
        self.stop = threading.Event()
        self.failed: list[BaseException] = []
        loops = [loop for enrichment in enrichments for _, loop in enrichment.loops()]
        self.threads = [threading.Thread(target=self._guarded, args=(loop,)) for loop in loops]

    def _guarded(self, loop: Callable[[threading.Event], None]) -> None:
        try:
            loop(self.stop)
        except BaseException as error:  # noqa: BLE001 - the process would end
            self.failed.append(error)

    def __enter__(self) -> None:
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(20)
        assert self.failed == []
        assert not any(thread.is_alive() for thread in self.threads)


def test_of_two_processes_one_asks(whole: Whole, platforms: Platforms) -> None:
    other = Whole(whole.engine, platforms)
    other.now = whole.now
    platforms.wechat.pause_seconds = 0.1
    with running(whole.enrichment, other.enrichment):
        for number in range(5):
            whole.tell(follower(platforms, f"N{number}"))
            time.sleep(0.1)
        wait_until(lambda: len(whole.published()) >= 10)

    assert len({event.uid for event in whole.published()}) == len(whole.published()) == 10
    assert platforms.wechat.asked["user/info/batchget"] <= 5


def test_a_loop_goes_on_after_the_platform_was_down(whole: Whole, platforms: Platforms) -> None:
    platforms.wechat.is_down = True
    with running(whole.enrichment):
        whole.tell(follower(platforms, "Anna"))
        wait_until(lambda: platforms.wechat.asked["stable_token"] >= 1)
        platforms.wechat.is_down = False
        wait_until(lambda: later(whole) and whole.published() != [])


def later(whole: Whole) -> bool:
    """Let time go by, so that the keeper asks again."""
    whole.now += timedelta(minutes=1)
    return True


def test_who_has_no_secret_is_not_asked(engine: Engine, platforms: Platforms) -> None:
    written = platforms.channels()
    del written["wechat"]["main"]["secret"], written["wecom"]["hq"]["secret"]
    keeper = Keeper(engine, KEY, lambda: datetime.now(UTC))

    assert enriching.askers(Channels.model_validate(written), keeper) == []
    assert enriching.askers(Channels(), keeper) == []


def _touchpoints(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM touchpoint")).scalar_one())


# As it runs


def test_callbacks_alone_make_one_person_of_follower_customer_and_user(
    tmp_path: Path, server: Callable[[], str], platforms: Platforms
) -> None:
    """`siyu up`, killed while WeChat was down: the next start asks what the one before could not."""
    file = tmp_path / "channels.toml"
    file.write_text(_toml(platforms.channels()))
    settings = {"SIYU_CHANNELS_FILE": str(file), "SIYU_DATABASE_URL": server(), "SIYU_ADMIN_KEY": ADMIN_KEY}
    platforms.wechat.followers["oAnna"] = Follower("uAnna")
    platforms.wecom.customers["wmAnna"] = Customer("uAnna")
    platforms.wechat.is_down = True
    asked = {"identifiers": [f"wechat_openid@{APP}:oAnna", f"wecom_external_userid@{CORP}:wmAnna"]}
    with Siyu(tmp_path, **settings) as siyu:
        with served(siyu, "up", how_it_ends=signal.SIGKILL) as (_, client):
            call_back(client)
            wait_until(lambda: platforms.wechat.asked["stable_token"] > 0)
        platforms.wechat.is_down = False
        with served(siyu, "up") as (_, client):

            def owners() -> set[str]:
                found = client.post("/v1/people/lookup", json=asked, headers=ADMIN).json()["data"]
                return {str(one["person_id"]) for one in found}

            wait_until(lambda: len(owners()) == 1 and owners() != {"None"})

    assert platforms.wechat.asked["user/info/batchget"] == 1
    assert platforms.wecom.asked["gettoken"] <= 2, (
        "each process asks at most once, the second only for what died with the first"
    )


def followed(stamp: str) -> str:
    return _xml(FromUserName="oAnna", ToUserName="gh_1", CreateTime=stamp, MsgType="event", Event="subscribe")


def added(stamp: str) -> str:
    change = {"Event": "change_external_contact", "ChangeType": "add_external_contact", "ExternalUserID": "wmAnna"}
    message = _xml(ToUserName=CORP, CreateTime=stamp, **change)
    return Secretbox.of(AES_KEY).closed(message.encode(), CORP, b"r" * 16)


def call_back(client: httpx.Client) -> None:
    """Tell, as the platforms do, that somebody follows the account, and that somebody was added."""
    stamp = str(int(time.time()))
    query = {"timestamp": stamp, "nonce": "1"}
    plain = query | {"signature": signature("AAAAA", stamp, "1")}
    sealed = query | {"msg_signature": signature("AAAAA", stamp, "1", added(stamp))}
    assert client.post("/collect/wechat/main", params=plain, content=followed(stamp)).text == "success"
    body = _xml(ToUserName=CORP, Encrypt=added(stamp))
    assert client.post("/collect/wecom/hq", params=sealed, content=body).status_code == 200


def _xml(**fields: str) -> str:
    return "<xml>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items()) + "</xml>"


def _toml(channels: dict[str, Any]) -> str:
    lines = []
    for family, accounts in channels.items():
        for name, fields in accounts.items():
            lines += [f"[{family}.{name}]", *(f'{field} = "{value}"' for field, value in fields.items())]
    return "\n".join(lines)
