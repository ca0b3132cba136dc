"""The page about imports: its mapping is one, and its commands are there."""

import re
import tomllib
from typing import Any

import pytest
from typer.main import get_command

from ingest.layout import layout_of
from ingest.lines import SAMPLE_BYTES
from ingest.trying import SAMPLE_EVENTS_MAX
from siyu.__main__ import app
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "channels" / "imports.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))


def test_the_mapping_of_the_page_is_one() -> None:
    (written,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)

    layout = layout_of(tomllib.loads(written), "the page")

    assert layout.units == {"order.amount": "yuan"}
    assert layout.consents["同意短信"].purpose == "marketing"


@pytest.mark.parametrize("line", re.findall(r"^siyu .*$", SHELL, re.MULTILINE))
def test_every_command_of_the_page_is_one_that_siyu_knows(line: str) -> None:
    words = line.partition("#")[0].split()[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"the first {SAMPLE_EVENTS_MAX:,} events" in PAGE
    assert "the first MiB" in PAGE
    assert SAMPLE_BYTES == 1 << 20
