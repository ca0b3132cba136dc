"""`siyu simulate`: platforms that send to a running Siyu like the real ones, and judge its answers."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import typer

from core import settings
from ingest import channels
from ingest.mail.ses import SesAccount
from siyu.simulators import ads, mail, orders, sms, webhook, wechat, wecom
from siyu.simulators.sending import Check, Simulator
from siyu.terminal import Exit, err, fail, say, write_json, write_table

app = typer.Typer(help="Send to a running Siyu like a platform does, and judge its answers.", no_args_is_help=True)

Url = Annotated[str, typer.Option(help="where Siyu runs; nothing but this machine is ever sent to")]
AsJson = Annotated[bool, typer.Option("--json")]
Patience = Annotated[
    float,
    typer.Option(min=0.0, help="seconds to wait at most before a platform tries again; a real one waits for hours"),
]
PATIENCE_SECONDS = 0.5
HERE = "http://127.0.0.1:8600"
Found = TypeVar("Found")


def judged(simulator: Simulator, url: str, as_json: bool) -> None:
    """Run *simulator* against *url* and show what it expected and saw; exit 1 where an answer was wrong."""
    if httpx.URL(url).host not in {"127.0.0.1", "localhost", "::1"}:
        raise typer.BadParameter("a simulator sends to this machine only", param_hint="--url")
    with httpx.Client(base_url=url, timeout=10.0) as client:
        _see_who_listens(client, url)
        checks = list(_told(simulator(client)))
    if as_json:
        write_json([asdict(check) for check in checks])
    else:
        rows = ((c.name, c.expected, c.seen, "✓" if c.is_right else "✗") for c in checks)
        write_table(("check", "expected", "seen", ""), rows)
    if not all(check.is_right for check in checks):
        raise typer.Exit(Exit.FAILED)


@app.callback()
def simulate() -> None:
    """Each command is a platform; its accounts are those of the channels file."""


@app.command("mail")
def simulate_mail(
    account: str,
    key: Annotated[Path | None, typer.Option(help="SendGrid, SES: the private key (PEM) of the account's own")] = None,
    url: Url = HERE,
    patience: Patience = PATIENCE_SECONDS,
    as_json: AsJson = False,
) -> None:
    """A provider of mail: SendGrid, Mailgun, or Amazon SES."""
    found = _account(channels.read(settings.load().channels_file).mail, account)
    if key is not None and not key.is_file():
        raise fail(f"there is no file {key}", Exit.NOT_FOUND)
    if isinstance(found, SesAccount) and not found.certificate:
        raise fail("the account has no certificate_file: who else could sign like Amazon?", Exit.USAGE)
    judged(mail.simulator(account, found, key.read_bytes() if key else None, sleep=_waiting(patience)), url, as_json)


@app.command("orders")
def simulate_orders(
    account: str, url: Url = HERE, patience: Patience = PATIENCE_SECONDS, as_json: AsJson = False
) -> None:
    """A shop: Shopify, WooCommerce, or Youzan."""
    found = _account(channels.read(settings.load().channels_file).orders, account)
    judged(orders.simulator(account, found, sleep=_waiting(patience)), url, as_json)


@app.command("webhook")
def simulate_webhook(
    account: str, url: Url = HERE, patience: Patience = PATIENCE_SECONDS, as_json: AsJson = False
) -> None:
    """A sender by Standard Webhooks."""
    found = _account(channels.read(settings.load().channels_file).webhooks, account)
    judged(webhook.simulator(account, found, sleep=_waiting(patience)), url, as_json)


@app.command("sms")
def simulate_sms(account: str, url: Url = HERE, patience: Patience = PATIENCE_SECONDS, as_json: AsJson = False) -> None:
    """A provider of text messages: Aliyun, Tencent Cloud, or Twilio."""
    known = settings.load()
    found = _account(channels.read(known.channels_file).sms, account)
    judged(sms.simulator(found, known.public_url, sleep=_waiting(patience)), url, as_json)


@app.command("ads")
def simulate_ads(account: str, url: Url = HERE, patience: Patience = PATIENCE_SECONDS, as_json: AsJson = False) -> None:
    """An ad platform that reports clicks: Tencent, Ocean Engine, Baidu, or Kuaishou."""
    found = _account(channels.read(settings.load().channels_file).ads, account)
    judged(ads.simulator(account, found, sleep=_waiting(patience)), url, as_json)


@app.command("wechat")
def simulate_wechat(
    account: str, url: Url = HERE, patience: Patience = PATIENCE_SECONDS, as_json: AsJson = False
) -> None:
    """WeChat, towards the server of an official account or a mini-program."""
    found = _account(channels.read(settings.load().channels_file).wechat, account)
    judged(wechat.simulator(account, found, sleep=_waiting(patience)), url, as_json)


@app.command("wecom")
def simulate_wecom(
    account: str, url: Url = HERE, patience: Patience = PATIENCE_SECONDS, as_json: AsJson = False
) -> None:
    """WeCom, towards the server of a corp or a suite."""
    found = _account(channels.read(settings.load().channels_file).wecom, account)
    judged(wecom.simulator(account, found, sleep=_waiting(patience)), url, as_json)


def _see_who_listens(client: httpx.Client, url: str) -> None:
    try:
        client.get("/")
    except httpx.TransportError:
        raise fail(f"nothing answers at {url}: where does Siyu run? (--url)") from None


def _told(checks: Iterator[Check]) -> Iterator[Check]:
    """Tell of a wrong answer at once: the platform's next tries take their time."""
    for check in checks:
        if not check.is_right:
            err.print(f"✗ {check.name}: {check.expected} ≠ {check.seen}", markup=False, soft_wrap=True)
        yield check


def _waiting(patience_seconds: float) -> Callable[[float], None]:
    """Return how to wait before a platform tries again: not as long as it does, and saying so."""

    def wait(seconds: float) -> None:
        err.print(f"{say('not what it wants to hear: it tries again, in seconds')}: {seconds:g}")
        time.sleep(min(seconds, patience_seconds))

    return wait


def _account(accounts: Mapping[str, Found], name: str) -> Found:
    if name not in accounts:
        raise fail(f"the channels file has no such account: {name}", Exit.NOT_FOUND)
    return accounts[name]
