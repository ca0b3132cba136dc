"""The addresses of shops: `/collect/orders/{shop}`."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from core.errors import NotFound
from ingest.callback import Platform
from ingest.http import RawRoute
from ingest.intake import Intake
from ingest.orders.shopify import Shopify, ShopifyAccount
from ingest.orders.woocommerce import WooCommerce, WooCommerceAccount
from ingest.orders.youzan import Youzan, YouzanAccount
from ingest.taking import take

OrdersAccount = Annotated[ShopifyAccount | WooCommerceAccount | YouzanAccount, Field(discriminator="platform")]


def routes(intake: Intake, accounts: Mapping[str, OrdersAccount], public_url: str) -> APIRouter:
    """Return the addresses to paste into the consoles of shops, one for each."""
    platforms = {name: _platform(name, account) for name, account in accounts.items()}
    router = APIRouter(prefix="/collect/orders", tags=["collecting"], route_class=RawRoute)

    @router.post("/{shop}")
    async def collect_orders(request: Request) -> Response:
        """Take what a shop tells of an order; 200 means that the log has it."""
        return await take(_known(platforms, request), request, intake, public_url)

    return router


def _known(platforms: Mapping[str, Platform], request: Request) -> Platform:
    name = request.path_params["shop"]
    if name not in platforms:
        raise NotFound("there is no such shop")
    return platforms[name]


def _platform(name: str, account: OrdersAccount) -> Platform:
    match account:
        case ShopifyAccount():
            return Shopify(name, account)
        case WooCommerceAccount():
            return WooCommerce(name, account)
        case YouzanAccount():
            return Youzan(name, account)
