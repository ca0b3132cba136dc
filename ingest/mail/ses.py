"""Amazon SES, which tells through a topic of Amazon SNS what became of a mail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from core.errors import InvalidEvent
from ingest.account import Account
from ingest.callback import Answer, Callback, Document
from ingest.mail import events, sns
from ingest.mail.events import LINK_ARGUMENT, Told
from ingest.proof import json_object, json_of, made_of, part, parts, said, text

_KINDS = {
    "Send": "mail.sent",
    "Delivery": "mail.delivered",
    "Open": "mail.opened",
    "Click": "mail.clicked",
    "Bounce": "mail.bounced",
    "Complaint": "mail.complained",
}
# Where the details of an event stand, where not under its name in small letters, and who of the addressees it is about.
_DETAILS = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}
_WHOM = {"Bounce": "bouncedRecipients", "Complaint": "complainedRecipients", "DeliveryDelay": "delayedRecipients"}
_LEFT_OUT = frozenset([*_WHOM.values(), "recipients", "timestamp", "ipAddress", "userAgent", "contactList"])


class SesAccount(Account):
    """A topic to which SES publishes: only what is of *topic_arn* is believed, for Amazon signs for everybody's topics.

    With *confirm* the topic's subscription is confirmed without being asked. With a *certificate* (PEM) Amazon is not asked
    for its own: for an installation that may not reach it.
    """

    provider: Literal["ses"]
    topic_arn: Annotated[str, Field(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+$")]
    confirm: bool = False
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Ses:
    """The protocol of the account called *name*, with the certificate that signed what it says."""

    name: str
    account: SesAccount
    certificate: bytes

    @property
    def answer(self) -> Answer:
        """What it wants to hear."""
        return Answer()

    @property
    def source(self) -> str:
        """As which source it sends."""
        return f"mail:{self.name}"

    def proven(self, callback: Callback) -> bytes:
        """Return the body, some fields of which are signed; only those are read."""
        notice = sns.notice_of(callback.body, self.account.topic_arn)
        sns.check_signed(notice, self.certificate, callback.received_at)
        return callback.body

    def documents(self, content: bytes, _: Callback) -> Sequence[Document]:
        """Return what became of one mail, once for each of its addressees."""
        notice = json_object(content)
        if notice["Type"] != "Notification":
            return [_about_topic(notice)]
        told = json_of(text(notice, "Message"))
        if not isinstance(told, Mapping):
            raise InvalidEvent("invalid_type", "a notice of SES is a JSON object", "/Message")
        return [document for one in _told(told, text(notice, "MessageId")) for document in events.documents(one)]


def _about_topic(notice: sns.Notice) -> Document:
    """A topic asks to be confirmed, or says that it was left: nobody's event, and whoever runs this must hear of it."""
    about = {"topic_arn": notice["TopicArn"], "subscribe_url": sns.confirmation_url(notice)}
    return {
        "id": made_of("ses", notice["MessageId"]),
        "type": "track",
        "channel": "mail",
        "occurred_at": notice["Timestamp"],
        "properties": said({"event": notice["Type"], **about}),
    }


def _told(told: Mapping[str, Any], message_id: str) -> Sequence[Told]:
    name = text(told, "eventType") or text(told, "notificationType")
    mail, details = part(told, "mail"), part(told, _DETAILS.get(name, name.lower()))
    return [
        Told(
            name=name,
            kind=_kind(name, details),
            key=("ses", message_id, *addresses),
            at=text(details, "timestamp") or text(mail, "timestamp"),
            addresses=addresses,
            properties=_properties(mail, details),
            context={"ip": text(details, "ipAddress"), "user_agent": text(details, "userAgent")},
            link_token=_tag(mail, LINK_ARGUMENT),
        )
        for addresses in _addressees(name, mail, details)
    ]


def _kind(name: str, details: Mapping[str, Any]) -> str:
    if name == "Subscription" and part(details, "newTopicPreferences").get("unsubscribeAll") is True:
        return "mail.unsubscribed"
    return _KINDS.get(name, "track")


def _addressees(name: str, mail: Mapping[str, Any], details: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    """Return whom it is about, one by one; who of several opened a mail nobody knows, so that is about all of them."""
    named = [text(one, "emailAddress") for one in parts(details, _WHOM.get(name, ""))]
    listed = details.get("recipients") or mail.get("destination")
    addresses = named or [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else named
    return [addresses] if name in {"Open", "Click"} else [[address] for address in addresses]


def _properties(mail: Mapping[str, Any], details: Mapping[str, Any]) -> Mapping[str, Any]:
    tags = {name: _tag(mail, name) for name in part(mail, "tags") if name != LINK_ARGUMENT and ":" not in name}
    own = {name: value for name, value in details.items() if name not in _LEFT_OUT}
    return {"message_id": text(mail, "messageId"), **own, **({"tags": tags} if tags else {})}


def _tag(mail: Mapping[str, Any], name: str) -> str:
    values = part(mail, "tags").get(name)
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else ""
