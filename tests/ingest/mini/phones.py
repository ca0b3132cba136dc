"""Phones that run a mini-program: the script as it is shipped, in node, with a stand-in for what WeChat gives it."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.pages.scripts import script

NODE = shutil.which("node")
STAND_IN = Path(__file__).parent / "wx.mjs"


@dataclass
class Phones:
    """All phones of a test, by name; *script* is the file that the mini-program bundles."""

    process: "subprocess.Popen[str]"
    script: Path
    start: Mapping[str, Any]
    platform: str

    def do(self, **order: Any) -> Any:
        """Return what comes of *order*; raises `RuntimeError` where it fails."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer["said"]

    def boot(self, device: str, user: str, denied: bool = False, **start: Any) -> None:
        """Start the mini-program on *device*, in the WeChat of *user*; what it kept there before, it still has."""
        given = {**self.start, **start}
        self.do(
            do="boot",
            device=device,
            user=user,
            script=str(self.script),
            start=given,
            platform=self.platform,
            denied=denied,
        )

    def look(self, device: str) -> Any:
        """Return what was seen of *device*: `log`, `requests`, `storage`."""
        return self.do(do="look", device=device)

    def anonymous_id(self, device: str) -> str:
        """Return the id that the mini-program gave itself on *device*."""
        return str(self.look(device)["requests"][-1]["data"]["anonymous_id"])


@contextmanager
def phones(folder: Path, start: Mapping[str, Any], platform: str) -> Iterator[Phones]:
    """Phones whose mini-program is set up by *start*, in the WeChat at *platform*."""
    assert NODE, "these tests need node"
    file = folder / "siyu-mini.js"
    file.write_bytes(script("siyu-mini.js", "ingest.mini").content)
    with subprocess.Popen([NODE, STAND_IN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Phones(process, file, start, platform)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(10)
