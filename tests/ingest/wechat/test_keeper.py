"""One keeper of tokens: whoever needs one, it is asked for once, and nothing shows it."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text

from core.clock import system_clock
from core.database import connect
from core.errors import Unavailable
from ingest.wechat import keeper
from ingest.wechat.api import Rejected
from ingest.wechat.keeper import EARLY, LIFETIME_MAX, RETRY_AFTER, Keeper
from ingest.wechat.official_account import WeChatAccount
from siyu.simulators.wechat_api import TICKET, Customer, Follower, WeChatApi, WeComApi
from tests.ingest.loopback import listening

ROOT = Path(__file__).parents[3]
KEY = b"k" * 32
APP, SECRET = "wxb00c", "a-secret-of-the-app"
CORP = "ww6a11"


class Held:
    """A clock that a test holds."""

    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def server() -> Iterator[tuple[WeChatApi, str]]:
    made = WeChatApi(secrets={APP: SECRET}, followers={"oAnna": Follower("uAnna")})
    with listening(made.application()) as address:
        yield made, address


@pytest.fixture
def platform(server: tuple[WeChatApi, str]) -> WeChatApi:
    return server[0]


@pytest.fixture
def app(server: tuple[WeChatApi, str]) -> WeChatAccount:
    return WeChatAccount(app_id=APP, token="AAAAA", secret=SECRET, api_url=server[1])


@pytest.fixture
def clock() -> Held:
    return Held()


@pytest.fixture
def kept(engine: Engine, clock: Held) -> Keeper:
    return Keeper(engine, KEY, clock)


def followers(kept: Keeper, app: WeChatAccount) -> object:
    sent = {"user_list": [{"openid": "oAnna"}]}
    return keeper.wechat(kept, app).ask("POST", "/cgi-bin/user/info/batchget", content=sent)


def test_it_is_asked_for_once_and_then_kept(kept: Keeper, app: WeChatAccount, platform: WeChatApi) -> None:
    wanted = keeper.wechat(kept, app).access

    first, second = kept.value(wanted), kept.value(wanted)

    assert first == second == platform.stable[APP]
    assert platform.asked["stable_token"] == 1


def test_threads_and_keepers_that_come_at_once_ask_once(
    database_url: str, app: WeChatAccount, platform: WeChatApi
) -> None:
    platform.pause_seconds = 0.3
    engines = [connect(database_url) for _ in range(2)]
    keepers = [Keeper(engine, KEY, system_clock) for engine in engines for _ in range(2)]

    with ThreadPoolExecutor(20) as pool:
        values = list(pool.map(lambda n: keepers[n % 4].value(keeper.wechat(keepers[n % 4], app).access), range(20)))

    assert set(values) == {platform.stable[APP]}
    assert platform.asked["stable_token"] == 1
    for engine in engines:
        engine.dispose()


_PROCESS = """
import sys
from core.clock import system_clock
from core.database import connect
from ingest.wechat import keeper
from ingest.wechat.keeper import Keeper
from ingest.wechat.official_account import WeChatAccount
url, address, app, secret = sys.argv[1:]
kept = Keeper(connect(url), b"k" * 32, system_clock)
account = WeChatAccount(app_id=app, token="AAAAA", secret=secret, api_url=address)
sys.stdin.readline()
print(kept.value(keeper.wechat(kept, account).access))
"""


def test_two_processes_that_come_at_once_ask_once(database_url: str, app: WeChatAccount, platform: WeChatApi) -> None:
    platform.pause_seconds = 1.0
    words = [sys.executable, "-c", _PROCESS, database_url, app.api_url, APP, SECRET]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]

    values = {process.communicate("go\n", timeout=60)[0].strip() for process in processes}

    assert values == {platform.stable[APP]}
    assert platform.asked["stable_token"] == 1


def test_it_is_renewed_before_it_ends(kept: Keeper, app: WeChatAccount, platform: WeChatApi, clock: Held) -> None:
    wanted = keeper.wechat(kept, app).access
    kept.value(wanted)

    clock.pass_by(LIFETIME_MAX - EARLY - timedelta(seconds=1))
    kept.value(wanted)
    assert platform.asked["stable_token"] == 1
    clock.pass_by(timedelta(seconds=2))
    kept.value(wanted)
    kept.value(wanted)

    assert platform.asked["stable_token"] == 2


def test_while_the_platform_is_down_the_old_one_serves_to_its_end(
    kept: Keeper, app: WeChatAccount, platform: WeChatApi, clock: Held
) -> None:
    wanted = keeper.wechat(kept, app).access
    value = kept.value(wanted)
    platform.is_down = True

    clock.pass_by(LIFETIME_MAX - EARLY)
    assert kept.value(wanted) == kept.value(wanted) == value
    assert platform.asked["stable_token"] == 2, "after a failure nobody asks for a while"
    clock.pass_by(EARLY)
    with pytest.raises(Unavailable):
        kept.value(wanted)
    clock.pass_by(RETRY_AFTER)
    platform.is_down = False

    assert kept.value(wanted) == platform.stable[APP]


def test_one_that_the_platform_calls_invalid_is_renewed_once(
    engine: Engine, app: WeChatAccount, platform: WeChatApi
) -> None:
    """However many notice: who comes second gets what the first one got."""
    platform.pause_seconds = 0.1
    keepers = [Keeper(engine, KEY, system_clock) for _ in range(4)]
    followers(keepers[0], app)
    platform.end_tokens()

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda kept: followers(kept, app), keepers))

    assert all("user_info_list" in str(one) for one in told)
    assert platform.forced == 1, "the platform gave the dead one again, so another was demanded"
    assert platform.asked["stable_token"] == 3


def test_another_that_somebody_demanded_is_taken_over_without_force(
    kept: Keeper, app: WeChatAccount, platform: WeChatApi
) -> None:
    followers(kept, app)
    demanded = {"grant_type": "client_credential", "appid": APP, "secret": SECRET, "force_refresh": True}
    httpx.post(f"{app.api_url}/cgi-bin/stable_token", json=demanded)

    followers(kept, app)

    assert platform.forced == 1, "ours were none"


def test_a_plain_token_of_somebody_else_does_not_end_ours(
    kept: Keeper, app: WeChatAccount, platform: WeChatApi
) -> None:
    followers(kept, app)
    plain = {"grant_type": "client_credential", "appid": APP, "secret": SECRET}
    first, second = (httpx.get(f"{app.api_url}/cgi-bin/token", params=plain).json() for _ in range(2))

    followers(kept, app)

    assert platform.asked["stable_token"] == 1
    assert first["access_token"] not in platform.tokens
    assert second["access_token"] in platform.tokens


def test_a_new_token_that_is_refused_at_once_is_an_outage(
    kept: Keeper, app: WeChatAccount, platform: WeChatApi
) -> None:
    class Nothing(dict[str, str]):
        def __contains__(self, _: object) -> bool:
            return False

    platform.tokens = Nothing()

    with pytest.raises(Unavailable):
        followers(kept, app)
    assert platform.asked["user/info/batchget"] == 2


def test_another_secret_is_another_row(kept: Keeper, app: WeChatAccount, platform: WeChatApi) -> None:
    kept.value(keeper.wechat(kept, app).access)
    wrong = app.model_copy(update={"secret": "wrong"})

    with pytest.raises(Unavailable):
        kept.value(keeper.wechat(kept, wrong).access)


def test_pages_are_signed_by_one_ticket(kept: Keeper, app: WeChatAccount, platform: WeChatApi) -> None:
    ticket = keeper.page_ticket(kept, app)

    async def many() -> list[str]:
        return await asyncio.gather(*(ticket() for _ in range(10)))

    assert asyncio.run(many()) == [TICKET] * 10
    assert platform.asked == {"stable_token": 1, "ticket/getticket": 1}


def test_a_corps_token_is_kept_as_well(kept: Keeper) -> None:
    corps = WeComApi(secrets={CORP: "s"}, customers={"wmAnna": Customer("uAnna")})
    with listening(corps.application()) as address:
        api = keeper.wecom(kept, CORP, "s", address)
        for _ in range(2):
            told = api.ask("GET", "/cgi-bin/externalcontact/get", {"external_userid": "wmAnna"})
            assert told["external_contact"]["unionid"] == "uAnna"
        assert corps.asked["gettoken"] == 1
        corps.end_tokens()
        api.ask("GET", "/cgi-bin/externalcontact/get", {"external_userid": "wmAnna"})
        with pytest.raises(Rejected) as error:
            api.ask("GET", "/cgi-bin/externalcontact/get", {"external_userid": "wmNobody"})

        assert corps.asked["gettoken"] == 2
        assert error.value.errcode == 84061


def test_a_row_tells_nothing_and_another_key_reads_nothing(
    engine: Engine, kept: Keeper, app: WeChatAccount, platform: WeChatApi
) -> None:
    value = kept.value(keeper.wechat(kept, app).access)
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM platform_token"))
    another = Keeper(engine, b"x" * 32, system_clock)
    again = another.value(keeper.wechat(another, app).access)

    assert value not in str(row)
    assert SECRET not in str(row)
    assert again == value
    assert platform.asked["stable_token"] == 2, "it had to ask: what is kept is not to be read by another key"


def test_neither_secret_nor_token_is_shown(
    kept: Keeper,
    app: WeChatAccount,
    platform: WeChatApi,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.WARNING)  # as the program has it
    api = keeper.wechat(kept, app)
    token = kept.value(api.access)
    platform.is_down = True

    errors = []
    for broken in (app, app.model_copy(update={"secret": f"{SECRET}!"})):
        with pytest.raises(Unavailable) as error:
            followers(kept, broken)
        errors.append(f"{error.value!r} {error.getrepr(style='long', chain=True)}")
    shown = "".join(errors) + caplog.text + "".join(capsys.readouterr()) + repr(api)

    assert "token.not_given" in shown
    assert token not in shown
    assert SECRET not in shown
