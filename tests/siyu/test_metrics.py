"""Orders of former years, from a file through the log to what `siyu metrics` says of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import cdnow
from tests.siyu.test_cli import Siyu

# The form of the file that was published, spaces included; not its content.
MASTER = """ customer_id  date number_of_cds  dollar_value
 00001 19970101  1   11.77
 00002 19970112  1   12.00
 00002 19970112  5   77.00
 00003 19970102  2   20.76
 00003 19970330  2   20.76
 00003 19970402  2   19.54
 00004 19970401  1    0.00
 00004 19970408 10    5.10
"""
SAMPLE = " 00003 0001 19970102  2   20.76\n 00003 0001 19970330  2   20.76\n 00004 0002 19970401  1    0.00\n"


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file like that of CDNOW."""
    path = tmp_path_factory.mktemp("cdnow") / "master.txt"
    path.write_text(MASTER, encoding="ascii")
    return path


@pytest.fixture(scope="module")
def siyu(master: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siyu]:
    """An installation that has taken it."""
    with Siyu(tmp_path_factory.mktemp("siyu")) as siyu:
        file = siyu.directory / "orders.ndjson"
        file.write_text("".join(f"{json.dumps(event)}\n" for event in cdnow.events(list(cdnow.rows(master)))))
        done = siyu("ingest", file, "--wait", "--stitchers", "1")
        assert done.returncode == 0, done.stderr
        yield siyu


IN_DOLLARS = ("--currency", "USD", "--as-of", "1997-04-11T00:00:00+0000", "--json")


def test_only_the_customers_of_a_sample_are_taken(master: Path, tmp_path: Path) -> None:
    sample = tmp_path / "sample.txt"
    sample.write_text(SAMPLE, encoding="ascii")

    taken = list(cdnow.rows(master, cdnow.customers(sample)))

    assert [(row.customer, row.day.isoformat(), row.quantity, row.cents) for row in taken] == [
        ("00003", "1997-01-02", 2, 2_076),
        ("00003", "1997-03-30", 2, 2_076),
        ("00003", "1997-04-02", 2, 1_954),
        ("00004", "1997-04-01", 1, 0),
        ("00004", "1997-04-08", 10, 510),
    ]


def test_who_bought_decades_ago_bought_then(siyu: Siyu) -> None:
    (told,) = siyu.rows("metrics", "repurchase", *IN_DOLLARS, "--to", "1997-04-01")

    assert (told["people"], told["again"], told["from"], told["to"]) == (3, 1, None, "1997-04-01")
    assert told["steps"][0]["days"]["p50"] == 87
    assert [(step["bought"], step["again"]) for step in told["steps"]] == [(3, 1), (1, 1), (1, 0)]


def test_rfm_and_value_are_told_as_json_and_as_tables(siyu: Siyu) -> None:
    (rfm,) = siyu.rows("metrics", "rfm", *IN_DOLLARS)
    (value,) = siyu.rows("metrics", "value", *IN_DOLLARS, "--horizon-weeks", "8")

    assert sum(cell["amount"] for cell in rfm["cells"]) == 1_177 + 8_900 + 2_076 * 2 + 1_954 + 510
    assert rfm["bands"]["recency"][-1] == {"score": 4, "people": 1, "least": 2, "most": 2}
    assert (value["people"], value["again"], value["horizon_weeks"]) == (4, 2, 8.0)
    assert value["expected_purchases"] > 0
    for figure in ("rfm", "repurchase", "value"):
        table = siyu("metrics", figure, *IN_DOLLARS[:-1], LANG="zh_CN.UTF-8")
        assert table.returncode == 0, table.stderr
        assert "人数 4" in table.stdout


def test_a_moment_that_cannot_be_read_is_wrong_usage(siyu: Siyu) -> None:
    assert siyu("metrics", "rfm", "--as-of", "tomorrow").returncode == 2
