"""What the pages of documentation tell people to type is there to be typed, in either language."""

from pathlib import Path

import pytest

from tests.commands import shown_in, unknown_options
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS = sorted({line for page in PAGES for line in shown_in(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_a_page_shows_is_one_that_siyu_knows(line: str) -> None:
    assert unknown_options(line) == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "zh").iterdir()), ids=lambda page: page.name)
def test_a_page_in_chinese_shows_the_same_commands_as_the_one_in_english(page: Path) -> None:
    english = ROOT / "docs" / page.name

    def lines(of: Path) -> list[str]:
        return [line.partition("#")[0].strip() for line in shown_in(of.read_text(encoding="utf-8"))]

    assert lines(page) == lines(english)
