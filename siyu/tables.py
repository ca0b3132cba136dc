"""Every module that owns a table, imported so that the metadata is whole: for migrations and their test."""

from core import keys, outbox, quarantine
from core.log import postgres
from ingest import mappings, questions
from ingest.links import store as links
from ingest.orders import polling
from ingest.wechat import keeper
from profiles import articles, history, official, people, summaries, timeline
from stitcher import directives, reviewing, robot_evidence, store

__all__ = [
    "articles",
    "directives",
    "history",
    "keeper",
    "keys",
    "links",
    "mappings",
    "official",
    "outbox",
    "people",
    "polling",
    "postgres",
    "quarantine",
    "questions",
    "reviewing",
    "robot_evidence",
    "store",
    "summaries",
    "timeline",
]
