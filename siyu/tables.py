"""Every module that owns a table, imported so that the metadata is whole: for migrations and their test."""

from api.webhooks import store as webhooks
from core import audit, console_sessions, jobs, keys, outbox, quarantine
from core.log import postgres
from ingest import mappings, questions
from ingest.links import store as tracked_links
from ingest.orders import polling
from ingest.wechat import keeper
from profiles import articles, do_not_contact, history, leads, official, people, summaries, timeline, touches
from profiles.segments import measuring
from profiles.segments import store as segments
from stitcher import directives, links, openings, reviewing, robot_evidence

__all__ = [
    "articles",
    "audit",
    "console_sessions",
    "directives",
    "do_not_contact",
    "history",
    "jobs",
    "keeper",
    "keys",
    "leads",
    "links",
    "mappings",
    "measuring",
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
    "segments",
    "summaries",
    "timeline",
    "touches",
    "tracked_links",
    "webhooks",
]
