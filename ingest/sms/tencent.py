"""Tencent Cloud: reports as a list, a reply as one object. It signs nothing; the address protects it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.callback import Accounted, Answer, Callback, Document
from ingest.sms.account import SmsAccount
from ingest.sms.telling import Telling, digest, items, moment, opt_outs_first, text_of

ANSWER = Answer(b'{"result":0,"errmsg":"OK"}', "application/json")


@dataclass(frozen=True)
class Tencent(Accounted[SmsAccount]):
    """One account. What it does not get answered it sends two more times."""

    family = "sms"
    answer = ANSWER

    def proven(self, callback: Callback) -> bytes:
        """Return the body: whoever knows the address may say so, which is why its events are not `verified`."""
        return callback.body

    def documents(self, content: bytes, callback: Callback) -> Sequence[Document]:
        """Return the events of a list of reports or of a reply, opt-outs first."""
        return opt_outs_first([one for item in items(content) for one in _told(item, callback.received_at)])


def _told(item: Any, received_at: datetime) -> list[Document]:
    if not isinstance(item, dict):
        return [item]  # is refused as what it is, and kept, while the others are taken
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
