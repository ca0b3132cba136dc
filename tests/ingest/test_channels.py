"""The channels file: what is wrong in it is named by its field, and never by what stands there."""

from pathlib import Path

import pytest

from core.errors import InvalidSetting
from ingest.account import Account
from ingest.channels import Channels, read


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


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="SIYU_CHANNELS_FILE cannot be read"):
        read(tmp_path / "none")
