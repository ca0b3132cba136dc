"""What is installed is all that is there: also the files that are no modules."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.conftest import ROOT

PACKAGES = ("api", "bench", "core", "ingest", "profiles", "siyu", "stitcher")


def test_the_wheel_has_every_file_of_every_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--quiet", "--wheel-dir", str(tmp_path)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")

    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(tracked.stdout.split()) <= set(zipfile.ZipFile(wheel).namelist())
