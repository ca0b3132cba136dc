"""`siyu webhooks`: addresses that are sent what is announced."""

import asyncio
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from api.webhooks import naming, store
from api.webhooks.schedule import Outcome
from api.webhooks.schemas import WebhookNew
from api.webhooks.store import Webhook
from core.database import transaction
from siyu.looking import user
from siyu.serving import sender_of
from siyu.system import System, opened
from siyu.terminal import Exit, answering, err, out, say, write_json, write_table

app = typer.Typer(help="Name, list, try and remove addresses that are sent what is announced.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="the id that `siyu webhooks list` shows")]
AsJson = Annotated[bool, typer.Option("--json")]


@app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List all webhooks, without their secrets."""
    with opened() as system, system.engine.connect() as connection:
        rows = [_row(each) for each in store.listing(connection)]
    if as_json:
        write_json(rows)
    else:
        columns = ("id", "url", "types", "segment", "failing_since", "disabled_reason")
        write_table(columns, ([row[column] for column in columns] for row in rows))


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="an address that begins with https:")],
    types: Annotated[list[str] | None, typer.Option("--type", help="what it hears of; none: of everything")] = None,
    segment: Annotated[str | None, typer.Option(help="it hears of people in this one")] = None,
    description: Annotated[str, typer.Option()] = "",
    as_json: AsJson = False,
) -> None:
    """Name an address. Its secret is shown this once."""
    try:
        new = WebhookNew(url=url, types=types or None, segment=segment, description=description)
    except ValidationError as error:
        raise typer.BadParameter(error.errors(include_url=False, include_input=False)[0]["msg"]) from None
    with opened() as system, answering(), transaction(system.engine) as connection:
        secret, webhook = naming.add(connection, sender_of(system), new, f"cli:{user()}", system.clock())
    _write_secret(secret, webhook, as_json=as_json)


@app.command()
def rotate(webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Give a webhook another secret, which is shown this once. The one before signs beside it for 24 hours."""
    with opened() as system, answering(), transaction(system.engine) as connection:
        secret, webhook = naming.rotate(connection, sender_of(system), webhook_id, system.clock())
    _write_secret(secret, webhook, as_json=as_json)


@app.command()
def test(webhook_id: WebhookId) -> None:
    """Send it a test at once, and say how that ended. Exit code 1 where it was not taken."""
    with opened() as system, answering():
        with system.engine.connect() as connection:
            webhook = store.one(connection, webhook_id)
        outcome = asyncio.run(_attempt(system, webhook))
    milliseconds = round(outcome.took.total_seconds() * 1_000)
    out.print(f"{outcome.status or '–'}  {milliseconds} ms  {outcome.detail}", markup=False)
    if not outcome.is_taken:
        raise typer.Exit(Exit.FAILED)


@app.command()
def delete(webhook_id: WebhookId) -> None:
    """Forget a webhook, and what was, or is to be, sent to it."""
    with opened() as system, answering(), transaction(system.engine) as connection:
        store.remove(connection, webhook_id)


async def _attempt(system: System, webhook: Webhook) -> Outcome:
    async with sender_of(system) as sender:
        return await naming.attempt(sender, webhook, f"cli:{user()}", system.clock())


def _write_secret(secret: str, webhook: Webhook, *, as_json: bool) -> None:
    if as_json:
        write_json([{"secret": secret, **_row(webhook)}])
    else:
        out.print(secret)
        err.print(f"webhook {webhook.id}: {say('it is shown only once')}")


def _row(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "types": sorted(webhook.types) if webhook.types is not None else None,
        "segment": webhook.segment,
        "description": webhook.description,
        "version": webhook.version,
        "created_at": webhook.created_at,
        "created_by": webhook.created_by,
        "failing_since": webhook.failing_since,
        "disabled_at": webhook.disabled_at,
        "disabled_reason": webhook.disabled_reason,
    }
