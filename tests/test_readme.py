"""What the README tells people to type is there to be typed."""

import re
from pathlib import Path

import pytest

from tests.commands import shown_in, unknown_options

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))


@pytest.mark.parametrize("line", shown_in(README))
def test_every_command_of_the_readme_is_one_that_siyu_knows(line: str) -> None:
    assert unknown_options(line) == set()


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", SHELL, re.MULTILINE))
def test_every_make_target_of_the_readme_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
