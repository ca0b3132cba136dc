"""Every module that owns a table, imported so that the metadata is whole: for migrations and their test."""

from core import keys, outbox, quarantine
from core.log import postgres
from ingest import mappings
from ingest.links import store as links
from ingest.orders import polling
from profiles import articles, history, official, people, summaries, timeline
from stitcher import directives, reviewing, robot_evidence, store

__all__ = [
    "articles",
    "directives",
    "history",
    "keys",
    "links",
    "mappings",
    "official",
    "outbox",
    "people",
    "polling",
    "postgres",
    "quarantine",
    "reviewing",
    "robot_evidence",
    "store",
    "summaries",
    "timeline",
]
