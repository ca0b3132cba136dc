"""What the README tells people to type is there to be typed."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from siyu.__main__ import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))


@pytest.mark.parametrize("line", re.findall(r"^siyu .*$", SHELL, re.MULTILINE))
def test_every_command_of_the_readme_is_one_that_siyu_knows(line: str) -> None:
    words = line.partition("#")[0].split()[1:]

    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", SHELL, re.MULTILINE))
def test_every_make_target_of_the_readme_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
