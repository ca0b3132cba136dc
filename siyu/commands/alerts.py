"""`siyu alerts`: the robots of group chats that are told about intent, and whether one can be reached."""

from typing import Annotated

import typer

from core import settings
from core.clock import system_clock
from core.errors import NotFound
from profiles import alert
from siyu import alerting, group_robots
from siyu.group_robots import Outcome
from siyu.terminal import Exit, answering, err, out, say, write_json, write_table

app = typer.Typer(help="Robots of group chats that are told about intent.", no_args_is_help=True)


@app.command("list")
def listing(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the robots that are declared, without their secrets."""
    rows = [
        {
            "robot": name,
            "platform": robot.kind,
            "threshold": robot.threshold,
            "falls": robot.falls,
            "language": robot.language,
            "signed": bool(robot.secret),
        }
        for name, robot in group_robots.read(settings.load().alerts_file).items()
    ]
    if as_json:
        write_json(rows)
        return
    write_table(("robot", "platform", "threshold", "falls", "language", "signed"), (row.values() for row in rows))


@app.command("test")
def try_out(name: Annotated[str, typer.Argument(help="the robot, as the file calls it")]) -> None:
    """Send a message to the group of a robot, and say what the platform answers."""
    with answering():
        robot = group_robots.read(settings.load().alerts_file).get(name)
        if robot is None:
            raise NotFound("SIYU_ALERTS_FILE declares no robot of this name")
    text = say("a message to try with: this group will be told about intent")
    came_of_it, code = alerting.sent(robot, alert.title(0, robot.language), text, system_clock())
    if came_of_it is not Outcome.TAKEN:
        err.print(f"{say('error')}: {say('the platform answers')} {code}", markup=False)
        raise typer.Exit(Exit.FAILED)
    out.print(say("sent"))
