"""The codes of problems: each that is raised is registered, and none is registered that nobody raises."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import document
from core.problems import Language, codes, faults, language_of
from scripts import access
from scripts.schemas import whole
from tests.conftest import ROOT

PACKAGES = ["api", "core", "ingest", "profiles", "siyu", "stitcher"]
# Of which encoding a file is not: `ingest.lines` names it.
COMPOSED = {"invalid_utf8", "invalid_gb18030"}
# What routes say of themselves by `raises`, and is answered by the classes of errors.
BY_CLASS = {"bad_request", "method_not_allowed", "content_too_large", "unsupported_media_type"}


def raised() -> Iterator[tuple[str, str]]:
    """Every code that is written where an error is made, and the module where it is."""
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"InvalidEvent": 0, "Answer": 1}.get(node.func.id)
                arguments = [*node.args, *(each.value for each in node.keywords if each.arg == "code")]
                if node.func.id == "Fault" and arguments:
                    place = len(arguments) - 1
                if place is None or place >= len(arguments) or "callback" in file.read_text()[:400]:
                    continue
                match arguments[place]:
                    case ast.Constant(value=str(code)) if "/" not in code:
                        yield code, str(file.relative_to(ROOT))


RAISED = dict(raised())


@pytest.mark.parametrize("code", sorted(RAISED))
def test_every_code_that_is_raised_is_registered(code: str) -> None:
    assert code in codes(), RAISED[code]


def test_no_code_is_registered_that_nobody_raises() -> None:
    text = "".join(
        file.read_text(encoding="utf-8") for package in PACKAGES for file in Path(ROOT / package).rglob("*.py")
    )

    assert {code for code in codes() if f'"{code}"' not in text} == COMPOSED


def test_every_code_of_a_route_is_registered() -> None:
    """`raises` is checked when the document is made; here, that it names no code twice by another status."""
    said = {name for _, route in access.every(whole()) for name in document.problems_of(route)}

    assert said - codes().keys() == {"moved", "not_modified"}


def test_every_code_says_something_in_every_language() -> None:
    said = [text for code in codes().values() for each in code.said.values() for text in (each.title, each.meaning)]
    said += [text for each in faults().values() for text in each.values()]

    assert all(said)
    assert all(code.said.keys() == set(Language) for code in codes().values())


def test_a_title_and_a_code_belong_together() -> None:
    titles = [code.said[language].title for language in Language for code in codes().values()]

    assert len(titles) == len(set(titles))


def test_of_very_many_languages_the_first_are_looked_at() -> None:
    assert language_of(",".join(["fr"] * 1_000 + ["zh"])) is Language.EN
