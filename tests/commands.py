"""What a page of documentation may show of the command line: what Siyu knows, and nothing else."""

import re
from typing import Any

from typer.main import get_command

from siyu.__main__ import app


def shown_in(page: str) -> list[str]:
    """The lines of *page*'s shell examples that call Siyu."""
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    return re.findall(r"^siyu .*$", shell, re.MULTILINE)


def unknown_options(line: str) -> set[str]:
    """The options in *line* that the command which it calls does not have."""
    words = line.partition("#")[0].split()[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {word for word in words if word.startswith("--")} - options
