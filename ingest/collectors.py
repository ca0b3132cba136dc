"""All collectors of an installation, side by side."""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy import Engine

from ingest import http, webhooks, wecom
from ingest.ads import collecting as ads
from ingest.auth import FindKey
from ingest.channels import Channels
from ingest.intake import Intake
from ingest.links.link import Signs
from ingest.links.routes import Book, following, minting
from ingest.mail import collecting as mail
from ingest.mail.amazon import Fetch, fetched
from ingest.mini import collecting as mini
from ingest.orders import collecting as orders
from ingest.pages import collecting as pages
from ingest.sms import collecting as sms
from ingest.spool import Spool
from ingest.tracking import routes as tracking
from ingest.wechat import official_account
from ingest.wechat.keeper import Keeper


@dataclass(frozen=True, slots=True)
class Ground:
    """What collectors stand on.

    *spool* takes what nobody sends again; *public_url* is under which platforms and browsers reach us (empty: as they
    ask); *signing_key* is the installation's, from which each purpose derives a key of its own; *fetch* asks Amazon for
    what verifies its notices.
    """

    intake: Intake
    find_key: FindKey
    channels: Channels
    engine: Engine
    signing_key: bytes
    spool: Spool
    public_url: str = ""
    fetch: Fetch = fetched


def routers(ground: Ground) -> list[APIRouter]:
    """Return the routes of all collectors."""
    intake, channels, public_url = ground.intake, ground.channels, ground.public_url
    signs, clock = Signs.of(ground.signing_key), intake.clock
    keeper = Keeper(ground.engine, ground.signing_key, clock)
    return [
        minting(ground.engine, ground.find_key, signs, public_url, clock, channels.declared),
        following(Book(ground.engine), signs, ground.spool, clock),
        http.routes(intake, ground.find_key),
        tracking.routes(intake, ground.find_key),
        wecom.routes(intake, channels.wecom, public_url, signs.follow),
        ads.routes(intake, channels.ads, public_url),
        sms.routes(intake, channels.sms, public_url),
        mail.routes(intake, channels.mail, public_url, ground.fetch),
        orders.routes(intake, channels.orders, public_url),
        webhooks.routes(intake, channels.webhooks, public_url),
        official_account.routes(intake, channels.wechat, public_url, signs.follow),
        mini.routes(mini.minis(intake, ground.find_key, channels.mini, ground.signing_key, keeper)),
        pages.routes(pages.pages(intake, ground.find_key, channels.pages, ground.signing_key, public_url, keeper)),
    ]
