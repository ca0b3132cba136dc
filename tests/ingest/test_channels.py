"""The channels file: what is wrong in it is named by its field, and never by what stands there."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from core.errors import InvalidSetting
from core.metrics import REGISTRY
from ingest.account import Account
from ingest.channels import Channels, read
from tests.ingest.collecting import Collecting
from tests.ingest.given import event

KEY = {"Authorization": "Bearer server"}


def scan(event_type: str) -> dict[str, Any]:
    return event(type=event_type, channel="kiosk", identifiers=["phone:13912345678", "loyalty_card:L7", "user_id:u"])


class Shop(Account):
    secret: str
    name: str = ""


def test_without_a_file_there_are_no_accounts() -> None:
    assert read(None) == Channels()


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n", encoding="utf-8")

    assert Shop.model_validate({"secret_file": str(tmp_path / "secret")}) == Shop(secret="s3cret")


def test_a_file_that_cannot_be_read_is_named_by_its_field(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="secret_file names a file that cannot be read"):
        Shop.model_validate({"secret_file": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("[[", "SIYU_CHANNELS_FILE is not TOML in UTF-8"),
        (
            "[channels.loft]\ntypes = ['coo.coo']",
            "channels: channels.loft.types.0: Value error, this is not an event type; "
            "`track` with properties.event takes any name",
        ),
        (
            "[channels.loft]\ntrust = 'coo'",
            "channels: channels.loft.trust: Input should be 'browser', 'server' or 'import'",
        ),
        ("[channels.loft]\nfeathers = 'coo'", "channels: channels.loft.feathers: Unexpected keyword argument"),
        (
            "[channels.'My kiosk']",
            "channels: channels.My kiosk.[key]: String should match pattern '^[a-z][a-z0-9_]{0,63}$'",
        ),
        ("[pigeons.loft]\nsecret = 'coo-coo'", "channels: pigeons: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_file_is_refused_without_what_stands_in_it(tmp_path: Path, written: str, complaint: str) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(written, encoding="utf-8")

    with pytest.raises(InvalidSetting) as refused:
        read(file)

    assert str(refused.value) == complaint
    assert "coo" not in str(refused.value)


def test_an_account_says_where_it_is_reached() -> None:
    assert Shop(secret="s3cret").path("shops", "main") == "/collect/shops/main"


def test_a_channel_of_ones_own_is_declared_in_the_file() -> None:
    collecting = Collecting({"channels": {"kiosk": {"namespaces": ["phone", "loyalty_card"], "types": ["qr.scanned"]}}})

    answer = collecting.send(
        "POST", "/v1/events", headers=KEY, json={"events": [scan("qr.scanned"), scan("order.paid")]}
    )

    assert [(each["code"], each["pointer"]) for each in answer.json()["rejected"]] == [("undeclared_type", "/type")]
    (event,) = collecting.events
    assert [(each["namespace"], each["role"]) for each in event["identifiers"]] == [
        ("phone", "subject"),
        ("loyalty_card", "subject"),
        ("user_id", "hint"),
    ]
    assert (
        'siyu_identifiers_not_carried_total{channel="kiosk",namespace="user_id"}' in generate_latest(REGISTRY).decode()
    )


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="SIYU_CHANNELS_FILE cannot be read"):
        read(tmp_path / "none")
