"""All collectors of an installation, side by side."""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy import Engine

from ingest import http, wecom
from ingest.ads import collect as ads
from ingest.auth import FindKey
from ingest.channels import Channels
from ingest.intake import Intake
from ingest.sms import collect as sms
from ingest.wechat import official_account


@dataclass(frozen=True, slots=True)
class Ground:
    """What collectors stand on.

    *public_url* is under which platforms and browsers reach us (empty: as they ask); *signing_key* is the installation's,
    from which each purpose derives a key of its own.
    """

    intake: Intake
    find_key: FindKey
    channels: Channels
    engine: Engine
    signing_key: bytes
    public_url: str = ""


def routers(ground: Ground) -> list[APIRouter]:
    """Return the routes of all collectors."""
    intake, channels, public_url = ground.intake, ground.channels, ground.public_url
    return [
        http.routes(intake, ground.find_key),
        wecom.routes(intake, channels.wecom, public_url),
        official_account.routes(intake, channels.wechat, public_url),
        ads.routes(intake, channels.ads, public_url),
        sms.routes(intake, channels.sms, public_url),
    ]
