"""What npm has: installed once, and kept in SIYU_CACHE_DIR."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

CACHE = Path(os.environ.get("SIYU_CACHE_DIR", ROOT / ".cache"))


def needs(program: str) -> str:
    """Return the path of *program*; without it the test is skipped, and fails where all is to be tested."""
    found = shutil.which(program)
    if found is None and os.environ.get("CI") != "true":
        pytest.skip(f"{program} is not installed")
    assert found, f"{program} is not installed"
    return found


def installed(declared: Path) -> Path:
    """Return the folder in which all is installed that `package.json` in the folder *declared* names."""
    npm = needs("npm")
    folder = CACHE / declared.name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (declared / "package.json").read_text(encoding="utf-8")
    done = folder / "installed.json"
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        (folder / "package.json").write_text(wanted, encoding="utf-8")
        install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
        subprocess.run(install, cwd=folder, check=True, timeout=300)
        done.write_text(wanted, encoding="utf-8")
    return folder
