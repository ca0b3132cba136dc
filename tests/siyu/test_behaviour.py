"""What people do, from the sample through the log to what `siyu metrics` says of it."""

import json
from collections.abc import Iterator

import pytest

from siyu import demo
from tests.siyu.test_cli import Siyu

AS_OF = ("--as-of", "2026-11-20T12:00:00+0000")
WINDOW = (*AS_OF, "--from", "2026-09-21")
COMMANDS = [
    ("rates",),
    ("unfollows",),
    ("funnel", "--step", "mail.delivered", "--step", "mail.opened", "--step", "mail.clicked", "--within-days", "14"),
    ("retention", "--periods", "4"),
    ("attribution", "--by", "campaign"),
    ("k",),
    ("sources",),
    ("response-time",),
]


@pytest.fixture(scope="module")
def siyu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siyu]:
    """An installation that has taken the sample."""
    with Siyu(tmp_path_factory.mktemp("siyu")) as siyu:
        file = siyu.directory / "sample.ndjson"
        file.write_text("".join(f"{json.dumps(event)}\n" for event in demo.events()), encoding="utf-8")
        done = siyu("ingest", file, "--wait", "--stitchers", "1")
        assert done.returncode == 0, done.stderr
        yield siyu


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_each_figure_is_told_as_json_and_as_tables(siyu: Siyu, command: tuple[str, ...]) -> None:
    (told,) = siyu.rows("metrics", *command, *WINDOW, "--json")
    table = siyu("metrics", *command, *WINDOW, LANG="zh_CN.UTF-8")

    assert told["people"] > 0
    assert table.returncode == 0, table.stderr
    assert f"人数 {told['people']}" in table.stdout


def test_the_articles_of_the_sample_travel_as_they_are_said_to(siyu: Siyu) -> None:
    (told,) = siyu.rows("metrics", "k", *AS_OF, "--article", demo.ARTICLE, "--json")

    [article] = told["articles"]
    assert 0.25 < article["k"]["rate"] < 0.5
    assert article["generations"][0]["denominator"] > article["generations"][1]["denominator"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("funnel", "--step", "bought"),
        ("funnel", "--step", "article.read article.id"),
        ("funnel", "--step", ""),
        ("rates", "--conversion", "bought"),
        ("retention", "--period", "day"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked_is_wrong_usage(siyu: Siyu, wrong: tuple[str, ...]) -> None:
    assert siyu("metrics", *wrong).returncode == 2


def test_a_condition_of_a_step_is_about_a_field(siyu: Siyu) -> None:
    for article, people in ((demo.ARTICLE, True), ("no-such-article", False)):
        step = f"article.read article.id={article}"
        (told,) = siyu.rows("metrics", "funnel", "--step", step, *WINDOW, "--json")

        assert bool(told["people"]) is people
