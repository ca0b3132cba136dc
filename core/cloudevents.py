"""CloudEvents 1.0: how everything that is announced leaves us, on whatever way it goes.

On the log in binary form (attributes in headers, the value as it is), on the stream and by webhooks in structured form (one
JSON object). Source and id together name an event for ever: who sees them twice has seen one event twice.
"""

import orjson

from core.log.port import IDENTITY_CHANGED, Record
from core.outbox import Announcement

SOURCE = "/siyu"
STRUCTURED = "application/cloudevents+json"


def binary(announcement: Announcement) -> Record:
    """Return *announcement* as a record of the log, by CloudEvents' binding to Kafka in binary form."""
    headers = {
        "ce_id": announcement.id,
        "ce_source": SOURCE,
        "ce_type": announcement.type,
        "ce_specversion": "1.0",
        "ce_time": announcement.time.isoformat(),
        "ce_subject": announcement.key,
        "content-type": "application/json",
    }
    return Record(announcement.key, orjson.dumps(announcement.value), headers)


def structured(announcement: Announcement) -> bytes:
    """Return *announcement* as one JSON object, of the media type `STRUCTURED`."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": announcement.id,
            "source": SOURCE,
            "type": announcement.type,
            "subject": announcement.key,
            "time": announcement.time.isoformat(),
            "datacontenttype": "application/json",
            "data": announcement.value,
        }
    )


def name(announcement: Announcement) -> str:
    """Return the word by which subscribers choose: what happened to a person (`person.merged`), or `profile.updated`, …"""
    if announcement.topic == IDENTITY_CHANGED:
        return str(announcement.value["type"])
    return announcement.type.removeprefix("siyu.").removesuffix(".v1")
