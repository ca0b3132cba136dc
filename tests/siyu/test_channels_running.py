"""Platforms against Siyu as it runs: `siyu up`, the simulators on the command line, and a shop that is asked for its orders."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from siyu.simulators.woocommerce_shop import WooCommerceShop
from tests.ingest.loopback import listening
from tests.siyu.test_cli import ADMIN_KEY, Siyu
from tests.siyu.test_end_to_end import served, wait_until

KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR"
CHANNELS = f"""
[wechat.main]
app_id = "wx49f0ab532d5d035a"
token = "123456"
encoding_aes_key = "{KEY}"

[wechat.plain]
app_id = "wx2"
token = "123456"
kind = "mini_program"

[wecom.hq]
corp_id = "ww1"
token = "123456"
encoding_aes_key = "{KEY}"

[ads.main]
platform = "tencent"
secret = "{"s" * 32}"

[orders.corner]
platform = "woocommerce"
secret = "hush"
consumer_key = "ck_1"
consumer_secret = "cs_1"
"""


@pytest.fixture(scope="module")
def shop() -> WooCommerceShop:
    shop = WooCommerceShop("ck_1", "cs_1")
    now = datetime.now(UTC)
    shop.put(7, f"{now:%Y-%m-%dT%H:%M:%S}", billing={"phone": "13911112222", "email": "buyer@siyu.example"})
    return shop


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, shop: WooCommerceShop) -> Iterator[tuple[Siyu, str]]:
    folder: Path = tmp_path_factory.mktemp("running")
    with listening(shop.application()) as url:
        (folder / "channels.toml").write_text(f'{CHANNELS}url = "{url}"\n', encoding="utf-8")
        settings = {"SIYU_ADMIN_KEY": ADMIN_KEY, "SIYU_CHANNELS_FILE": str(folder / "channels.toml")}
        with Siyu(folder, **settings) as siyu, served(siyu, "up") as (_, client):
            yield siyu, str(client.base_url).rstrip("/")


@pytest.mark.parametrize(("family", "account"), [("wechat", "main"), ("wechat", "plain"), ("wecom", "hq")])
def test_a_platform_finds_every_answer_of_a_running_siyu_right(
    running: tuple[Siyu, str], family: str, account: str
) -> None:
    siyu, url = running

    done = siyu("simulate", family, account, "--url", url, "--json")

    checks = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [check for check in checks if not check["is_right"]] == []
    assert len(checks) > 15
    assert done.returncode == 0


def test_no_platform_sends_for_an_account_that_is_not_there(running: tuple[Siyu, str]) -> None:
    siyu, url = running

    assert siyu("simulate", "wecom", "elsewhere", "--url", url).returncode == 4


def test_a_shop_is_asked_by_whoever_collects(running: tuple[Siyu, str], shop: WooCommerceShop) -> None:
    siyu, _ = running

    wait_until(lambda: siyu("person", "show", "phone:13911112222").returncode == 0)

    shown = siyu("person", "show", "phone:13911112222", "--clear", "--json")
    assert "buyer@siyu.example" in shown.stdout
    assert shop.asked[0]["page"] == "1"


def test_a_simulator_says_that_nobody_listens(running: tuple[Siyu, str]) -> None:
    siyu, _ = running

    done = siyu("simulate", "wechat", "main", "--url", "http://127.0.0.1:9")

    assert done.returncode == 1
    assert "nothing answers" in done.stderr


def test_addresses_are_shown_whole(running: tuple[Siyu, str]) -> None:
    siyu, _ = running

    done = siyu("channels", "check")

    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) > 200
