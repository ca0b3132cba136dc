"""Aliyun: reports (`SmsReport`), replies (`SmsUp`), and reports from abroad. It signs nothing; the address protects it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.callback import Answer, Document
from ingest.sms.telling import Telling, digest, moment, text_of
from ingest.sms.unsigned import Unsigned

ANSWER = Answer('{"code":0,"msg":"接收成功"}'.encode(), "application/json")
_DELIVERED_ABROAD = "1"  # 2 says that it failed, 6 that it expired


@dataclass(frozen=True)
class Aliyun(Unsigned):
    """One account. It sends again after one, five and ten minutes, and does not promise to send only once."""

    answer = ANSWER

    def told(self, item: dict[str, Any], received_at: datetime) -> list[Document]:
        """Return the events of a report or a reply."""
        return _told(item, received_at)


def _told(item: dict[str, Any], received_at: datetime) -> list[Document]:
    if "content" in item:
        return _replied(item, received_at)
    if "err_code" in item or "success" in item:
        return [_reported(item, received_at)]
    if "MessageId" in item:
        return [_reported_abroad(item, received_at)]
    said = {name: value for name, value in item.items() if name != "phone_number"}
    return [_telling((item,), text_of(item, "phone_number"), received_at).other("aliyun", said)]


def _reported(item: Mapping[str, Any], received_at: datetime) -> Document:
    id_parts = [text_of(item, name) for name in ("biz_id", "phone_number", "err_code", "report_time")]
    at = moment(text_of(item, "report_time"), received_at)
    is_delivered = text_of(item, "success").lower() in ("true", "1")
    return _telling(id_parts, text_of(item, "phone_number"), at).report(
        "sms.delivered" if is_delivered else "sms.failed",
        {
            "message_id": text_of(item, "biz_id"),
            "out_id": text_of(item, "out_id"),
            "err_code": text_of(item, "err_code"),
            "err_msg": text_of(item, "err_msg"),
            "sent_at": text_of(item, "send_time"),
            "parts": text_of(item, "sms_size"),
        },
    )


def _reported_abroad(item: Mapping[str, Any], received_at: datetime) -> Document:
    id_parts = [text_of(item, name) for name in ("MessageId", "To", "Status", "ReceiveDate")]
    at = moment(text_of(item, "ReceiveDate"), received_at)
    phone = f"+{text_of(item, 'To').lstrip('+')}"
    return _telling(id_parts, phone, at).report(
        "sms.delivered" if text_of(item, "Status") == _DELIVERED_ABROAD else "sms.failed",
        {
            "message_id": text_of(item, "MessageId"),
            "task_id": text_of(item, "TaskId"),
            "err_code": text_of(item, "ErrorCode"),
            "err_msg": text_of(item, "ErrorDescription"),
            "parts": text_of(item, "SmsSize"),
        },
    )


def _replied(item: Mapping[str, Any], received_at: datetime) -> list[Document]:
    id_parts = [text_of(item, name) for name in ("sequence_id", "phone_number", "send_time")]
    at = moment(text_of(item, "send_time"), received_at)
    return _telling(id_parts, text_of(item, "phone_number"), at).reply(
        text_of(item, "content"),
        {
            "message_id": text_of(item, "sequence_id"),
            "sign": text_of(item, "sign_name"),
            "number": text_of(item, "dest_code"),
        },
    )


def _telling(id_parts: Sequence[object], phone: str, at: datetime) -> Telling:
    return Telling(digest(*id_parts), phone, at, is_proven=False)
