"""What keeps the process running asks: is it alive, is it ready, what does it count."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import schemas
from api.access import administrator
from api.context import Check, Here
from core import http, metrics
from core.errors import Unavailable
from core.http import Answer, Fault
from core.problems import raises

router = APIRouter(tags=["operation"])


@router.get("/livez")
async def livez() -> schemas.Alive:
    """Say that the process answers, whatever it needs."""
    return schemas.Alive(status="ok")


@router.get("/readyz", response_model=schemas.Ready)
@raises("not_ready")
def readyz(here: Here, request: Request) -> Any:
    """Say whether all that is needed answers: 200, or 503 with what does not."""
    faults = [fault for name, check in here.checks.items() if (fault := _fault(name, check))]
    if faults:
        return http.problem(request.scope, Answer(503, "not_ready", "not all that is needed answers", faults))
    return schemas.Ready(status="ok", checks=list(here.checks))


@router.get("/metrics", dependencies=[Depends(administrator)], response_class=Response)
def counted() -> Response:
    """Return what is counted, for Prometheus.

    Needs a key with the scope admin (`authorization` in its configuration). Coming from loopback is not enough: behind a
    proxy on the same host everybody does.
    """
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


def _fault(name: str, check: Check) -> Fault | None:
    try:
        check()
    except Unavailable as error:
        return Fault(pointer=f"/{name}", code="unavailable", detail=str(error))
    return None
