"""The account of a mini-program. Pure."""

from typing import Annotated

from pydantic import Field

from ingest.account import Account


class MiniAccount(Account):
    """A mini-program; *open_platform* is the scope of its unionids. Its secret never gets to a phone."""

    app_id: Annotated[str, Field(min_length=1, max_length=64)]
    secret: Annotated[str, Field(min_length=1)]
    open_platform: str = ""
    api_url: str = "https://api.weixin.qq.com"

    def path(self, family: str, name: str) -> str:
        """Return where its script sends events; the other addresses are beside this one."""
        return f"/{family}/{name}/events"
