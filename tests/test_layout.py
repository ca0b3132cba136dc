"""Rules of the layout that a machine can check, and that neither ruff nor import-linter does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import metadata
from core.settings import Settings
from siyu import tables
from tests.conftest import ROOT

PACKAGES = ["api", "core", "ingest", "profiles", "siyu", "stitcher"]
FOLDERS = [*PACKAGES, "bench", "docs", "scripts", "tests", ".ci"]
MODULES = sorted(
    file.relative_to(ROOT)
    for folder in [*PACKAGES, "bench", "scripts", "tests"]
    for file in (ROOT / folder).rglob("*.py")
)
OWN = [module for module in MODULES if module.parts[0] in PACKAGES]
DOCUMENTS = sorted(file.relative_to(ROOT) for file in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Reserved for examples, on this machine, or the home of a text that we quote.
HOSTS = re.compile(
    r"127\.0\.0\.1|localhost|host|kafka|siyu|\{.*|(.*\.)?example(\.com)?|(.*\.)?test|www\.apache\.org|json-schema\.org"
    r"|www\.w3\.org"  # the name of SVG
    r"|(api|open|qyapi)\.weixin\.qq\.com"  # where the platforms themselves are
    r"|sns\.us-east-1\.amazonaws\.com|sns\\\.\[a-z0-9-\]\{3"  # the second is a pattern in the code
)


def tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def calls(module: Path, name: str) -> list[ast.Call]:
    """Where *module* calls the bare *name*."""
    found = (node for node in ast.walk(tree(module)) if isinstance(node, ast.Call))
    return [call for call in found if isinstance(call.func, ast.Name) and call.func.id == name]


def declared(module: Path) -> int:
    """How many tables of the database *module* declares."""
    return sum(
        "metadata" in {arg.id for arg in call.args if isinstance(arg, ast.Name)} for call in calls(module, "Table")
    )


def files() -> Iterator[Path]:
    """Everything that was written by somebody."""
    written = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if "__pycache__" not in file.parts]
    for file in [*written, *ROOT.iterdir()]:
        if file.is_file() and file.suffix != ".pyc" and file.name not in {".git", "history.ndjson"}:
            yield file


def test_every_module_opens_by_saying_what_it_is_for() -> None:
    assert [module for module in MODULES if not ast.get_docstring(tree(module))] == []


def test_nothing_is_printed_but_by_the_terminal() -> None:
    assert [(module, call.lineno) for module in OWN for call in calls(module, "print")] == []


def test_a_package_opens_with_a_docstring_and_holds_nothing_else() -> None:
    assert [module for module in OWN if module.name == "__init__.py" and len(tree(module).body) != 1] == []


def test_every_table_is_known_to_the_migrations() -> None:
    """A table whose module is not imported is missing from the metadata, and nobody would notice."""
    owners = {module for module in OWN if declared(module)}
    known = {Path(*getattr(tables, name).__name__.split(".")).with_suffix(".py") for name in tables.__all__}

    assert known == owners
    assert len(metadata.tables) == sum(map(declared, owners))


def test_an_error_of_ours_is_named_where_the_tree_is_drawn() -> None:
    module = tree(Path("core/errors.py"))
    drawn = ast.get_docstring(module) or ""

    assert all(node.name in drawn for node in module.body if isinstance(node, ast.ClassDef))


def test_nothing_names_somebodys_home_or_the_host_that_packages_came_from() -> None:
    homes = re.compile(rb"/(home|root|Users)/[a-z]")
    registries = re.compile(rb"pypi\.|registry\.|artifactory|(extra-)?index-url|--find-links|nexus\.", re.IGNORECASE)
    here = Path(__file__)

    found = [
        file for file in files() if file != here and (homes.search(it := file.read_bytes()) or registries.search(it))
    ]

    assert found == []


def test_every_host_that_is_named_is_an_example_or_on_this_machine() -> None:
    url = re.compile(r"https?://([^/\"'`\s)>,:?#]+)")
    named = {
        (str(file.relative_to(ROOT)), host)
        for file in files()
        if "tests" not in file.parts and file.name != "LICENSE"
        for host in url.findall(file.read_text(encoding="utf-8", errors="replace"))
    }

    assert {(file, host) for file, host in named if not HOSTS.fullmatch(host)} == set()


def test_every_setting_stands_in_the_readme_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Settings")[2].partition("\n## ")[0]

    named = set(re.findall(r"^\|[^|]*\|", section, re.MULTILINE))
    variables = {variable for cell in named for variable in re.findall(r"SIYU_[A-Z_]+", cell)}

    assert variables == {f"SIYU_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_document_links_to_what_is_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text(encoding="utf-8"))

    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []


def test_the_architecture_names_modules_that_are_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_/]+\.(?:py|toml))`", text))

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_a_limit_is_where_the_table_of_limits_says() -> None:
    rows = re.findall(r"^\|.*\|$", (ROOT / "docs" / "limits.md").read_text(encoding="utf-8"), re.MULTILINE)
    missing = []
    for row in rows:
        words = re.findall(r"`([^`]+)`", row.split("|")[3])
        content = "".join((ROOT / path).read_text(encoding="utf-8") for path in words if "/" in path)
        missing += [word for word in words if "/" not in word and not re.search(rf"\b{word}\b", content)]

    assert missing == []


def test_every_limit_stands_in_the_table_of_limits() -> None:
    listed = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")

    missing = [
        f"{module} {name}"
        for module in MODULES
        for name in re.findall(r"^([A-Z_]+_MAX) = ", (ROOT / module).read_text(encoding="utf-8"), re.MULTILINE)
        if module.parts[0] not in ("bench", "scripts", "tests") and f"`{name}`" not in listed
    ]

    assert missing == []
