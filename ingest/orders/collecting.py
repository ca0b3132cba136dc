"""The addresses of shops: `/collect/orders/{shop}`."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from core.problems import OF_CALLBACKS, raises
from core.raw import RawRoute
from ingest.callback import Platform
from ingest.intake import Intake
from ingest.orders.shopify import Shopify, ShopifyAccount
from ingest.orders.woocommerce import WooCommerce, WooCommerceAccount
from ingest.orders.youzan import Youzan, YouzanAccount
from ingest.taking import known, take

OrdersAccount = Annotated[ShopifyAccount | WooCommerceAccount | YouzanAccount, Field(discriminator="platform")]


def routes(intake: Intake, accounts: Mapping[str, OrdersAccount], public_url: str) -> APIRouter:
    """Return the addresses to paste into the consoles of shops, one for each."""
    platforms = {name: _platform(name, account) for name, account in accounts.items()}
    router = APIRouter(
        prefix="/collect/orders", tags=["collecting"], route_class=RawRoute, default_response_class=Response
    )

    @router.post("/{shop}")
    @raises(*OF_CALLBACKS)
    async def collect_orders(request: Request) -> Response:
        """Take what a shop tells of an order; 200 means that the log has it."""
        return await take(known(platforms, request.path_params["shop"], "shop"), request, intake, public_url)

    return router


def _platform(name: str, account: OrdersAccount) -> Platform:
    match account:
        case ShopifyAccount():
            return Shopify(name, account)
        case WooCommerceAccount():
            return WooCommerce(name, account)
        case YouzanAccount():
            return Youzan(name, account)
