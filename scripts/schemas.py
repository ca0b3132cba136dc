"""Writes docs/schemas/ (what a sender may write, and what stands on the topics), docs/openapi.json, docs/asyncapi.json,
docs/errors.md, and the tables of docs/access.md. Run by `make schemas`.

What a sender writes is described as strictly as it is checked; what we announce, in `api.announced`.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from api import asyncapi
from api.announced import VALUES
from api.app import VERSION
from core.clock import system_clock
from core.database import connect
from core.identifier import BlindIndex
from core.log.postgres import PostgresLog
from core.settings import Settings
from core.submission import Submission
from ingest.channels import Channels
from profiles import company_intent, description, frequency, intent
from scripts import access, errors
from siyu.serving import Role, application
from siyu.system import System
from stitcher import rules

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"
OPENAPI = FOLDER.parent / "openapi.json"
ASYNCAPI = FOLDER.parent / "asyncapi.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return all schemas by the names of their files."""
    described = {
        "event.submission.json": TypeAdapter[Any](Submission),
        **{f"{topic}.json": value for topic, value in VALUES.items()},
    }
    return {name: {"$schema": DIALECT, **adapter.json_schema()} for name, adapter in described.items()}


def whole() -> FastAPI:
    """Return the application with all its routes, in front of no database."""
    engine = connect("postgresql://")
    log = PostgresLog(engine, partitions=1)
    system = System(
        settings=Settings(),
        engine=engine,
        log=log,
        rules=rules.shipped(),
        intent_rules=intent.shipped(),
        frequency_rules=frequency.shipped(),
        company_rules=company_intent.shipped(),
        description_rules=description.shipped(),
        signing_key=b"",
        index=BlindIndex(b""),
        clock=system_clock,
        channels=Channels(),
        group_robots={},
    )
    return application(system, set(Role))


@cache
def openapi() -> Mapping[str, Any]:
    """Return the description of all routes, as `/openapi.json` has it."""
    return whole().openapi()


def written(schema: Mapping[str, Any]) -> str:
    """Return *schema* as the text of its file."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every schema to its file, and take away what is none any more."""
    made = schemas()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in FOLDER.glob("*.json"):
        if file.name not in made:
            file.unlink()
    for name, schema in made.items():
        (FOLDER / name).write_text(written(schema), encoding="utf-8")
    OPENAPI.write_text(written(openapi()), encoding="utf-8")
    ASYNCAPI.write_text(written(asyncapi.document(VERSION)), encoding="utf-8")
    errors.PAGE.write_text(errors.page(), encoding="utf-8")
    access.PAGE.write_text(access.page(whole()), encoding="utf-8")


if __name__ == "__main__":
    main()
