"""Every module that owns a table, imported so that the metadata is whole: for migrations and their test."""

from core import keys, outbox, quarantine
from core.log import postgres
from ingest import mappings, questions
from ingest.links import store as tracked_links
from ingest.orders import polling
from ingest.wechat import keeper
from profiles import articles, history, leads, official, people, summaries, timeline
from stitcher import directives, links, openings, reviewing, robot_evidence

__all__ = [
    "articles",
    "directives",
    "history",
    "keeper",
    "keys",
    "leads",
    "links",
    "mappings",
    "official",
    "openings",
    "outbox",
    "people",
    "polling",
    "postgres",
    "quarantine",
    "questions",
    "reviewing",
    "robot_evidence",
    "summaries",
    "timeline",
    "tracked_links",
]
