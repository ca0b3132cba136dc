"""An account at an ad platform."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from ingest.account import Account
from ingest.ads.platforms import PLATFORMS, PlatformName


class AdAccount(Account):
    """*secret* is the parameter `key` of the address that is pasted: platforms sign nothing.

    *app_id* is the official account or mini-program by which Tencent tells openids; without it they name nobody.
    """

    platform: PlatformName
    secret: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{32,128}$"), Field(repr=False)]
    app_id: str = ""

    def path(self, family: str, name: str) -> str:
        """Return the address as it is pasted: with the key, and a parameter for each macro that is read."""
        platform = PLATFORMS[self.platform]
        macros = "&".join(f"{parameter}={platform.macro(parameter)}" for parameter in platform.parameters)
        return f"{super().path(family, name)}?key={self.secret}&{macros}"

    @model_validator(mode="after")
    def _is_told_openids_by_tencent_alone(self) -> Self:
        if self.app_id and self.platform != "tencent":
            raise ValueError("only tencent tells openids, so nobody else has an app_id")
        return self
