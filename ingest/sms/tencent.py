"""Tencent Cloud: reports as a list, a reply as one object. It signs nothing; the address protects it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.callback import Answer, Document
from ingest.sms.telling import Telling, digest, moment, text_of
from ingest.sms.unsigned import Unsigned

ANSWER = Answer(b'{"result":0,"errmsg":"OK"}', "application/json")


@dataclass(frozen=True)
class Tencent(Unsigned):
    """One account. What it does not get answered it sends two more times."""

    answer = ANSWER

    def told(self, item: dict[str, Any], received_at: datetime) -> list[Document]:
        """Return the events of a report or a reply."""
        return _told(item, received_at)


def _told(item: dict[str, Any], received_at: datetime) -> list[Document]:
    phone = _phone(item)
    if "report_status" in item:
        return [_reported(item, phone, received_at)]
    if "text" in item:
        telling = Telling(
            digest(*sorted(item.items())), phone, moment(text_of(item, "time"), received_at), is_proven=False
        )
        return telling.reply(text_of(item, "text"), {"sign": text_of(item, "sign"), "ext": text_of(item, "extend")})
    said = {name: value for name, value in item.items() if name != "mobile"}
    return [Telling(digest(*sorted(item.items())), phone, received_at, is_proven=False).other("tencent", said)]


def _reported(item: Mapping[str, Any], phone: str, received_at: datetime) -> Document:
    event_id = digest(*(text_of(item, name) for name in ("sid", "mobile", "report_status")))
    at = moment(text_of(item, "user_receive_time"), received_at)
    is_delivered = text_of(item, "report_status") == "SUCCESS"
    return Telling(event_id, phone, at, is_proven=False).report(
        "sms.delivered" if is_delivered else "sms.failed",
        {
            "message_id": text_of(item, "sid"),
            "out_id": text_of(item, "ext"),
            "err_code": text_of(item, "errmsg"),
            "err_msg": text_of(item, "description"),
        },
    )


def _phone(item: Mapping[str, Any]) -> str:
    mobile, country = text_of(item, "mobile"), text_of(item, "nationcode").lstrip("+")
    return f"+{country}{mobile}" if country and mobile and not mobile.startswith("+") else mobile
