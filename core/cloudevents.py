"""CloudEvents 1.0: how everything that is announced leaves us, on whatever way it goes.

On the log in binary form (attributes in headers, the value as it is), on the stream and by webhooks in structured form (one
JSON object). Source and id together name an event for ever: who sees them twice has seen one event twice.
"""

from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

import orjson

from core.log.port import IDENTITY_CHANGED, Record
from core.outbox import Announcement

SOURCE = "/siyu"
STRUCTURED = "application/cloudevents+json"
JSON = "application/json"


def attributes(
    id_: str,
    type_: str,
    time: datetime,
    subject: str,
    source: str = SOURCE,
    content_type: str = JSON,
    **extensions: str,
) -> dict[str, str]:
    """Return the headers of a record of the log whose value is the data of one event, by CloudEvents' binding to Kafka.

    *Extensions* are attributes of our own: their names are small letters and digits.
    """
    return {
        "ce_id": id_,
        "ce_source": source,
        "ce_type": type_,
        "ce_specversion": "1.0",
        "ce_time": time.isoformat(),
        "ce_subject": subject,
        "content-type": content_type,
        **{f"ce_{name}": value for name, value in extensions.items()},
    }


@lru_cache(maxsize=1_024)
def sender(source: str) -> str:
    """Return the source (a URI) of what the sender of the name *source* has told."""
    return f"{SOURCE}/{quote(source, safe='')}"


def binary(announcement: Announcement) -> Record:
    """Return *announcement* as a record of the log, by CloudEvents' binding to Kafka in binary form."""
    headers = attributes(announcement.id, announcement.type, announcement.time, announcement.key)
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
            "datacontenttype": JSON,
            "data": announcement.value,
        }
    )


def name(announcement: Announcement) -> str:
    """Return the word by which subscribers choose: what happened to a person (`person.merged`), or `profile.updated`, …"""
    if announcement.topic == IDENTITY_CHANGED:
        return str(announcement.value["type"])
    return announcement.type.removeprefix("siyu.").removesuffix(".v1")
