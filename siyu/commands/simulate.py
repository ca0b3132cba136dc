"""`siyu simulate`: platforms that send to a running Siyu like the real ones, and judge its answers."""

from dataclasses import asdict
from typing import Annotated

import httpx
import typer

from siyu.simulators.sending import Simulator
from siyu.terminal import Exit, write_json, write_table

app = typer.Typer(help="Send to a running Siyu like a platform does, and judge its answers.", no_args_is_help=True)

Url = Annotated[str, typer.Option(help="where Siyu runs; nothing but this machine is ever sent to")]
AsJson = Annotated[bool, typer.Option("--json")]
HERE = "http://127.0.0.1:8600"


def judged(simulator: Simulator, url: str, as_json: bool) -> None:
    """Run *simulator* against *url* and show what it expected and saw; exit 1 where an answer was wrong."""
    if httpx.URL(url).host not in {"127.0.0.1", "localhost", "::1"}:
        raise typer.BadParameter("a simulator sends to this machine only", param_hint="--url")
    with httpx.Client(base_url=url, timeout=10.0) as client:
        checks = list(simulator(client))
    if as_json:
        write_json([asdict(check) for check in checks])
    else:
        rows = ((c.name, c.expected, c.seen, "✓" if c.is_right else "✗") for c in checks)
        write_table(("check", "expected", "seen", ""), rows)
    if not all(check.is_right for check in checks):
        raise typer.Exit(Exit.FAILED)


@app.callback()
def simulate() -> None:
    """Each command is a platform; its accounts are those of the channels file."""
