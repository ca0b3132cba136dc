"""`siyu article`: who read it, who passed it on, and how far it went."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from api import article_schemas, article_shown, table
from api.article_shown import READERS
from api.articles import NODES_MAX, SPREADERS_MAX
from core.database import transaction
from core.errors import InvalidEvent
from profiles import audience, official, profile
from profiles.profile import Wanted
from profiles.scoring import Scoring
from siyu.looking import written_down
from siyu.official import rows as official_rows
from siyu.system import opened
from siyu.terminal import Exit, answering, err, fail, out, say, write_json, write_table

app = typer.Typer(help="Ask about one article.", no_args_is_help=True)

READERS_MAX = 200  # of a page, as the API has it

ArticleId = Annotated[str, typer.Argument(help="the id that events name")]
AsJson = Annotated[bool, typer.Option("--json")]
Clear = Annotated[bool, typer.Option("--clear", help="names in full, not masked")]


@app.command()
def readers(
    article_id: ArticleId,
    as_json: AsJson = False,
    clear: Clear = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="write a CSV file that spreadsheets open")] = None,
) -> None:
    """List everybody who read it, in the order of their first read."""
    with opened() as system, system.engine.connect() as connection, answering():
        written_down(system, "article readers", clear=clear, article_id=article_id)
        rows = everybody(connection, article_id, system.scoring, clear=clear)
    if csv:
        csv.write_bytes(table.file(READERS, rows))
    elif as_json:
        write_json(row.model_dump(mode="json") for row in rows)
    else:
        write_readers(rows)


@app.command()
def tree(article_id: ArticleId, as_json: AsJson = False, clear: Clear = False) -> None:
    """Draw how it travelled: who stands below whose link."""
    with opened() as system, system.engine.connect() as connection, answering():
        written_down(system, "article tree", clear=clear, article_id=article_id)
        told = article_shown.share_tree(
            article_id, profile.branch(connection, article_id, None, None, NODES_MAX), clear=clear
        )
    if as_json:
        write_json(node.model_dump(mode="json") for node in told.nodes)
    else:
        write_tree(told)


@app.command()
def stats(article_id: ArticleId, as_json: AsJson = False, clear: Clear = False) -> None:
    """Say how it fared: readers, generations, K, and who spread it most."""
    with opened() as system, system.engine.connect() as connection, answering():
        written_down(system, "article stats", clear=clear, article_id=article_id)
        told = figures(connection, article_id, clear=clear).model_dump(mode="json")
    if as_json:
        write_json([told])
    else:
        write_table(("", ""), told.items())


@app.command()
def official_counts(
    file: Annotated[Path, typer.Argument(help="CSV: article_id, as_of, reads, or rows of getarticletotal")],
    source: Annotated[str, typer.Option(help="who says so")] = "import",
    zone: Annotated[str, typer.Option(help="in which a day ends that is named without a time")] = "+08:00",
) -> None:
    """Bring in what the platform itself counts; of several counts of an article the latest is kept."""
    if not file.is_file():
        raise fail(f"there is no file {file}", Exit.NOT_FOUND)
    accepted = rejected = 0
    with opened() as system, answering(), transaction(system.engine) as connection:
        for row in official_rows(file, source, zone):
            try:
                if isinstance(row.counts, InvalidEvent):
                    raise row.counts
                official.record(connection, row.article_id, row.counts, system.clock())
                accepted += 1
            except InvalidEvent as error:
                err.print(f"{say('line')} {row.line}: {error}", markup=False)
                rejected += 1
    err.print(f"{say('accepted')} {accepted}, {say('rejected')} {rejected}")
    if rejected:
        raise typer.Exit(Exit.PARTLY)


def everybody(
    connection: Connection, article_id: str, scoring: Scoring, *, clear: bool
) -> list[article_schemas.ReaderOut]:
    """Return all readers of an article."""
    found: list[article_schemas.ReaderOut] = []
    after = None
    while True:
        page = profile.readers(connection, article_id, Wanted(), scoring, after, READERS_MAX)
        found += [article_shown.reader(*each, clear=clear) for each in page.found]
        after = page.next
        if after is None:
            return found


def figures(connection: Connection, article_id: str, *, clear: bool) -> article_schemas.StatsOut:
    """Return the figures of an article."""
    known = audience.stats(connection, article_id)
    spreaders = known.audience.tree.top_spreaders(SPREADERS_MAX)
    cards = profile.cards(connection, [node.person for node in spreaders])
    return article_shown.stats(article_id, known, spreaders, cards, clear=clear)


def write_readers(rows: list[article_schemas.ReaderOut]) -> None:
    """Write readers as a table."""
    names = {row.person_id: row.label for row in rows}
    write_table(
        ("person", "follower", "first read", "reads", "generation", "came from"),
        (
            (
                row.label,
                {True: say("yes"), False: say("no"), None: "?"}[row.follower],
                f"{row.first_read_at:%m-%d %H:%M}",
                row.reads,
                row.generation,
                names.get(row.came_from, row.came_from) if row.came_from else "",
            )
            for row in rows
        ),
    )


def write_tree(told: article_schemas.ShareTreeOut) -> None:
    """Write a tree, each person indented below the one who brought him."""
    below: dict[str | None, list[article_schemas.TreeNode]] = {}
    for node in told.nodes:
        below.setdefault(node.parent, []).append(node)
    waiting = list(reversed(below.get(None, [])))
    while waiting:
        node = waiting.pop()
        out.print(f"{'  ' * (node.generation - 1)}{node.label} ↓{node.descendants}")
        waiting += reversed(below.get(node.person_id, []))
