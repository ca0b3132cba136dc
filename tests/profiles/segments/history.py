"""A world in which all that conditions ask about happens by chance: reads and links, orders, consents, traits, who is who."""

from random import Random
from typing import Any

from core.database import transaction
from core.directive import Kind
from core.event import Event
from core.identifier import parse
from profiles import do_not_contact
from profiles.do_not_contact import Blocking
from tests.api.world import INDEX, NOW, World
from tests.profiles.segments.conditions import ARTICLES, TOPICS

DAY = 24 * 60.0

NAMES = (
    *(f"user_id:u{n}" for n in range(5)),
    *(f"phone:+861390000000{n}" for n in range(4)),
    *(f"email:m{n}@example.com" for n in range(2)),
    *(f"wechat_openid@wx{n}:o{n}" for n in (1, 2)),
    *(f"anonymous_id@h5:c{n}" for n in range(3)),
)


def happens(world: World, seed: int, events: int) -> None:
    """Let so many things happen, merges, splits and retractions among them."""
    chance = Random(seed)
    happened: list[Event] = []
    for number in range(events):
        who, other = chance.sample(NAMES, 2)
        match chance.random():
            case p if p < 0.86:
                happened.append(
                    world.happens(who, minute=-chance.uniform(0, 120) * DAY, **_fields(chance, number, who))
                )
            case p if p < 0.92:
                world.happens(who, other)
            case p if p < 0.96:
                world.decide(Kind.CANNOT_LINK, who, other, minute=number)
            case _ if happened:
                world.decide(Kind.RETRACT, event=happened.pop(chance.randrange(len(happened))), minute=number)
    with transaction(world.engine) as connection:
        unwanted = [parse(NAMES[5]), parse("email:m0@example.com")]
        do_not_contact.block(connection, unwanted, INDEX, Blocking("by letter", "tests", NOW))


def _fields(chance: Random, number: int, who: str) -> dict[str, Any]:
    article = {"id": chance.choice(ARTICLES), "topics": chance.sample(TOPICS, chance.randint(0, 2))}
    purpose: dict[str, Any] = chance.choice(
        [{}, {"purpose": "marketing"}, {"purpose": "care"}, {"purpose": ""}, {"purpose": 3}]
    )
    channel: dict[str, Any] = chance.choice([{}, {"channel": "sms"}, {"channel": "official_account"}])
    order = {"id": f"o{number // 2}", "amount": chance.randint(0, 99), "currency": chance.choice(["CNY", "CNY", "USD"])}
    account = who.partition("@")[2].partition(":")[0] or "wx1"
    said = {
        "city": chance.choice(["Tea", "北京", "España"]),
        "age": chance.choice([1, 2, "1"]),
        "score": chance.choice([0, 0.3, 0.5, 1, True, "Tea", None]),
    }
    token = f"s-{chance.randrange(6)}"
    kinds: list[dict[str, Any]] = [
        {"type": "article.read", "channel": "h5", "article": article},
        {"type": "article.read", "channel": "h5", "article": {"id": "a1"}, "share": {"token": token}},
        {"type": "article.shared", "channel": "h5", "article": {"id": "a1"}, "share": {"token": token}},
        {"type": "page.viewed", "properties": said},
        {"type": "form.submitted", "properties": said, "company": {"name": chance.choice(["Tea House", "京"])}},
        {"type": "order.paid", "channel": "shop", "order": order},
        {"type": "order.refunded", "channel": "shop", "order": order},
        {"type": "sms.sent", "channel": "sms", "properties": {"message_id": f"m{chance.randrange(5)}", **purpose}},
        {"type": "mail.delivered", "channel": "mail", "properties": purpose},
        {"type": "consent.given", "channel": "sms", "properties": {**purpose, **channel}},
        {"type": "consent.withdrawn", "channel": "mail", "properties": {**purpose, **channel}},
        {"type": "sms.opted_out", "channel": "sms"},
        {"type": "mail.unsubscribed", "channel": "mail"},
    ]
    if who.startswith("wechat_openid"):
        kinds += [{"type": "official_account.followed", "channel": "official_account"}] * 2
        kinds += [{"type": "official_account.unfollowed", "channel": "official_account", "properties": {"of": account}}]
    return chance.choice(kinds)
