"""The command line: `siyu COMMAND`."""

import logging
import sys

import structlog
import typer

from core.errors import SiyuError
from siyu.commands import (
    alerts,
    article,
    behaviour,
    channels,
    contact,
    directives,
    export,
    keys,
    links,
    mappings,
    metrics,
    person,
    review,
    rules,
    segment,
    serve,
    simulate,
    upkeep,
    webhooks,
)
from siyu.commands.demo import demo
from siyu.commands.ingest import ingest
from siyu.commands.rebuild import rebuild
from siyu.terminal import Exit, err, say

app = typer.Typer(
    help="Siyu turns what people do on a brand's channels into people.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve.up, demo, serve.collect, serve.stitch, serve.api, ingest, rebuild, upkeep.doctor):
    app.command()(command)
app.add_typer(person.app, name="person")
app.add_typer(directives.app, name="directives")
app.add_typer(alerts.app, name="alerts")
app.add_typer(article.app, name="article")
app.add_typer(channels.app, name="channels")
app.add_typer(contact.app, name="contact")
app.add_typer(keys.app, name="keys")
app.add_typer(links.app, name="links")
app.add_typer(mappings.app, name="mappings")
metrics.app.add_typer(behaviour.app)
app.add_typer(metrics.app, name="metrics")
app.add_typer(review.app, name="review")
app.add_typer(rules.app, name="rules")
app.add_typer(segment.app, name="segment")
app.add_typer(simulate.app, name="simulate")
app.add_typer(export.app, name="export")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(upkeep.db, name="db")
app.add_typer(upkeep.config, name="config")


def main() -> None:
    """Run the command that the arguments name; an error of ours is one line on stderr, never a trace."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what its failures mean to us, we say ourselves
    try:
        app()
    except SiyuError as error:
        err.print(f"{say('error')}: {error}", markup=False)
        sys.exit(Exit.FAILED)


if __name__ == "__main__":
    main()
