"""The account of a site: whose pages may include the script, and the official account that says who a visitor is."""

from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, StringConstraints

from ingest.account import Account

URL_LENGTH_MAX = 2_048

Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,64}$")]


class PagesAccount(Account):
    """A site. Without *app_id* and *secret* (of an official account) its visitors stay anonymous.

    *hosts* are the origins of its pages; *open_platform* is the scope of unionids; *domain_files* has what WeChat wants to
    find in each `MP_verify_….txt`, by the part of the name that varies.
    """

    hosts: Annotated[frozenset[Origin], Field(min_length=1)]
    app_id: str = ""
    secret: str = ""
    open_platform: str = ""
    open_url: str = "https://open.weixin.qq.com"
    api_url: str = "https://api.weixin.qq.com"
    domain_files: dict[FileName, str] = Field(default_factory=dict)

    def path(self, family: str, name: str) -> str:  # noqa: ARG002 # a page names its account by `data-account`
        """Return where its pages find the script."""
        return "/siyu.js"

    @property
    def asks_wechat(self) -> bool:
        """Whether WeChat can be asked who a visitor is."""
        return bool(self.app_id and self.secret)

    def has_page(self, url: str) -> bool:
        """Whether *url*, as a browser writes it, is of one of its pages."""
        if len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable() or {" ", "\\"} & set(url):
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return f"{parts.scheme}://{parts.netloc}" in self.hosts


def with_parameter(url: str, name: str, value: str) -> str:
    """Return *url* with *value* (`""`: nothing) as its parameter *name*."""
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return parts._replace(query=urlencode([*query, (name, value)] if value else query)).geturl()
