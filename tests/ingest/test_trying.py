"""Trying a file out: what it says of every line, and that it appends nothing."""

from pathlib import Path

import orjson

from ingest.layout import Layout
from ingest.trying import EXAMPLES_MAX, SAMPLE_EVENTS_MAX, Example, Trial, try_file
from tests.ingest.given import SERVER, event, receiver


def tried(path: Path, *lines: object, layout: Layout = Layout()) -> Trial:  # noqa: B008 - it is frozen
    file = path / "events.ndjson"
    file.write_bytes(b"".join(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines))
    return try_file(str(file), receiver=receiver(), key=SERVER, layout=layout)


def test_lines_that_would_be_rejected_are_counted_by_code_with_the_first_of_each(tmp_path: Path) -> None:
    wrong = [event(type="13912345678") for _ in range(EXAMPLES_MAX + 1)]

    trial = tried(tmp_path, event(), b"{\n", *wrong)

    assert trial.valid == 1
    assert trial.rejected == {"invalid_json": 1, "value_error": EXAMPLES_MAX + 1}
    assert trial.examples["invalid_json"] == [Example(2, "this is not JSON in UTF-8", "")]
    assert [(each.line, each.pointer) for each in trial.examples["value_error"]] == [(n, "/type") for n in (3, 4, 5)]
    assert "13912345678" not in str(trial.examples)


def test_identifiers_that_name_nobody_are_counted_by_reason(tmp_path: Path) -> None:
    hint = {"namespace": "user_id", "value": "u", "role": "hint"}

    trial = tried(
        tmp_path, event(identifiers=["phone:138****8000", "email:null", hint]), event(identifiers=["phone:0"])
    )

    assert trial.dropped == {("phone", "invalid"): 1, ("email", "null_like"): 1, ("phone", "zeros"): 1}
    assert trial.hints == {"user_id": 1}


def test_of_a_long_file_the_first_events_are_the_sample(tmp_path: Path) -> None:
    trial = tried(tmp_path, *(event(id=str(number)) for number in range(SAMPLE_EVENTS_MAX + 1)))

    assert trial.is_sampled
    assert [each.id for each in trial.sample.values()] == [str(number) for number in range(SAMPLE_EVENTS_MAX)]


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    tried(tmp_path, b"{\n")

    assert [each.name for each in tmp_path.iterdir()] == ["events.ndjson"]
