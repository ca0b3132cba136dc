"""Our scripts, as pages and mini-programs fetch them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from fastapi import Request, Response

HEADERS = {"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"}


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the tag by which a browser knows whether it still has it."""

    content: bytes
    etag: str


@lru_cache
def script(name: str, package: str = "ingest.pages") -> Script:
    """Return the script called *name*, which is part of *package*."""
    content = files(package).joinpath(name).read_bytes()
    return Script(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def served(found: Script, request: Request) -> Response:
    """Answer *request* with the script, or say that the browser has it."""
    headers = {**HEADERS, "ETag": found.etag}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {found.etag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type="text/javascript")
