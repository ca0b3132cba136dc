"""What mini-programs ask and tell: `/siyu-mini.js` and `/mini/{name}/…`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from core.errors import InvalidEvent
from core.event import Trust, first_fault
from core.problems import OF_BODIES, OF_FIELDS, OF_KEYS, raises
from core.raw import RawRoute
from ingest import body
from ingest.auth import FindKey, writer
from ingest.http import EVENTS_MAX
from ingest.intake import Intake, Receipt, sender
from ingest.mini import asking
from ingest.mini.account import MiniAccount
from ingest.mini.crypto import check_watermark, decrypted
from ingest.mini.session import SESSION_LIFETIME, Session, Sessions
from ingest.mini.telling import Told, grouped, logged_in, number, phoned
from ingest.pages.scripts import script, served
from ingest.pages.shares import Shares, shared
from ingest.proof import text
from ingest.taking import known
from ingest.wechat.keeper import Api, Keeper, wechat

ASKING_BYTES_MAX = 16 << 10
ENCRYPTED_LENGTH_MAX = 4_096
CODE_LENGTH_MAX = 256
SESSION_LENGTH_MAX = 4_096

Text = Annotated[str, StringConstraints(max_length=256)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=CODE_LENGTH_MAX)]
Encrypted = Annotated[str, StringConstraints(min_length=1, max_length=ENCRYPTED_LENGTH_MAX)]
Sealed = Annotated[str, StringConstraints(max_length=SESSION_LENGTH_MAX)]


class Asking(BaseModel):
    """What every request of a phone says: by which key it may write, and which phone it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    write_key: Annotated[Text, Field(alias="writeKey")]
    anonymous_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class Login(Asking):
    """Somebody logs in, by *code* of `wx.login`; *launch* is by what the mini-program was opened."""

    code: Code
    launch: Mapping[str, JsonValue] = Field(default_factory=dict)


class Opening(Asking):
    """Something opens that can be passed on: which article, and by whose link one came."""

    article: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    came_by: Text | None = None


class Showing(Asking):
    """Somebody shows what WeChat encrypted for us."""

    session: Sealed
    encrypted: Annotated[Encrypted, Field(alias="encryptedData")]
    iv: Text


class Phoning(Asking):
    """Somebody shows his phone, by *code* of a `getPhoneNumber` button."""

    session: Sealed
    code: Code


class Telling(Asking):
    """What happened; *sent_at* is when it is told, by the phone's clock. Without a *session* nobody in particular tells."""

    session: Sealed | None = None
    sent_at: AwareDatetime | None = None
    events: Annotated[Sequence[JsonValue], Field(max_length=EVENTS_MAX)]


A = TypeVar("A", bound=Asking)


@dataclass(frozen=True, slots=True)
class Mini:
    """One mini-program of an installation."""

    intake: Intake
    name: str
    account: MiniAccount
    sessions: Sessions
    shares: Shares
    api: Api

    async def login(self, login: Login) -> Mapping[str, object]:
        """Ask WeChat who logs in, note it, and return the session by which he is known from now on."""
        said = await asking.logged_in(self.account, login.code)
        session, now = Session.told(said, login.anonymous_id), self.intake.clock()
        await self._take([logged_in(self.account, session, login.code, login.launch, now)])
        return {"session": self.sessions.sealed(session, now), "expires_in": int(SESSION_LIFETIME.total_seconds())}

    async def open(self, opening: Opening) -> Mapping[str, object]:
        """Note whose link a phone has from now on, and by which it came; return the token of its own."""
        reader, article, account = opening.anonymous_id, opening.article, self.account.app_id
        token = self.shares.own(article, reader, account)
        came_by = opening.came_by if opening.came_by != token else None
        parent = came_by if came_by and self.shares.are_ours(came_by, article) else None
        own = shared(account, article, reader, token, parent, self.intake.clock())
        await self._take([{**own, "channel": "mini_program"}])
        return {"token": token}

    async def phone(self, phoning: Phoning) -> Mapping[str, object]:
        """Note the phone that somebody shows, and return it to him: its code is good once, and now used."""
        session = self._session(phoning, phoning.session)
        told = await asking.phone(self.api, phoning.code)
        return await self._phoned(session, told, phoning.code)

    async def encrypted_phone(self, showing: Showing) -> Mapping[str, object]:
        """Do the same the old way."""
        session = self._session(showing, showing.session)
        return await self._phoned(session, self._decrypted(session, showing), showing.encrypted)

    async def group(self, showing: Showing) -> Mapping[str, object]:
        """Note from which group of WeChat's somebody came."""
        session = self._session(showing, showing.session)
        open_gid = text(self._decrypted(session, showing), "openGId")
        if not open_gid:
            raise InvalidEvent("missing", "WeChat tells no group", "/encryptedData")
        await self._take([grouped(self.account, session, open_gid, showing.encrypted, self.intake.clock())])
        return {"open_gid": open_gid}

    async def tell(self, telling: Telling) -> Receipt:
        """Take what happened on a phone, and say which of it the log has."""
        session = self._session(telling, telling.session) if telling.session else None
        told = Told(
            self.account, self.shares.links, telling.anonymous_id, session, self.intake.clock(), telling.sent_at
        )
        documents = [self.shares.amended(told.document(event)) for event in telling.events]
        # By a source of its own: a phone, which chooses its ids, must not take the id of what we vouch for.
        return await self.intake.take(documents, sender(f"mini:{self.name}:phones", _trust(session)))

    async def _phoned(self, session: Session, told: Mapping[str, Any], once: str) -> Mapping[str, object]:
        check_watermark(told, self.account.app_id)
        phone = number(told)
        await self._take([phoned(self.account, session, phone, once, self.intake.clock())])
        return {"phone": phone}

    def _decrypted(self, session: Session, showing: Showing) -> Mapping[str, Any]:
        return decrypted(showing.encrypted, showing.iv, session.session_key, self.account.app_id)

    def _session(self, asked: Asking, sealed: str) -> Session:
        return self.sessions.opened(sealed, asked.anonymous_id, self.intake.clock())

    async def _take(self, documents: Sequence[object]) -> None:
        await self.intake.take_all(documents, sender(f"mini:{self.name}"), b"")


@dataclass(frozen=True, slots=True)
class Minis:
    """All mini-programs of an installation, and who may write."""

    find_key: FindKey
    programs: Mapping[str, Mini]

    async def asked(self, request: Request, kind: type[A], bytes_max: int = ASKING_BYTES_MAX) -> tuple[Mini, A]:
        """Return which mini-program *request* is for, and what it says. Raises `NotFound`, `Unauthorized`, `InvalidEvent`."""
        program = known(self.programs, request.path_params["name"], "mini-program")
        asked = _read(await body.read(request, bytes_max), kind)
        await writer(asked.write_key, self.find_key)
        return program, asked


def minis(
    intake: Intake,
    find_key: FindKey,
    accounts: Mapping[str, MiniAccount],
    signing_key: bytes,
    keeper: Keeper,
) -> Minis:
    """Return all mini-programs of an installation."""
    shares = Shares(signing_key)
    programs = {
        name: Mini(intake, name, account, Sessions(signing_key, name, account), shares, wechat(keeper, account))
        for name, account in accounts.items()
    }
    return Minis(find_key, programs)


def routes(minis: Minis) -> APIRouter:
    """Return the routes of all mini-programs."""
    router = APIRouter(route_class=RawRoute, tags=["collecting"])

    @router.get("/siyu-mini.js", response_class=Response)
    async def serve_mini_script(request: Request) -> Response:
        """The script that a mini-program bundles."""
        return served(script("siyu-mini.js", "ingest.mini"), request)

    @router.post("/mini/{name}/login")
    @raises(*OF_BODIES, *OF_FIELDS, *OF_KEYS, "not_found", "invalid_code")
    async def log_in(request: Request) -> Response:
        """Exchange a code of `wx.login` for a session."""
        program, login = await minis.asked(request, Login)
        return _json(await program.login(login))

    @router.post("/mini/{name}/open")
    @raises(*OF_BODIES, *OF_FIELDS, *OF_KEYS, "not_found")
    async def open_mini_page(request: Request) -> Response:
        """Say whose link a reader has: the token that he passes on."""
        program, opening = await minis.asked(request, Opening)
        return _json(await program.open(opening))

    @router.post("/mini/{name}/phone")
    @raises(*OF_BODIES, *OF_FIELDS, *OF_KEYS, "not_found", "invalid_code")
    async def show_phone(request: Request) -> Response:
        """Exchange a code of a `getPhoneNumber` button for the phone that WeChat has verified."""
        program, phoning = await minis.asked(request, Phoning)
        return _json(await program.phone(phoning))

    @router.post("/mini/{name}/encrypted-phone")
    @raises(*OF_BODIES, *OF_FIELDS, *OF_KEYS, "not_found")
    async def show_encrypted_phone(request: Request) -> Response:
        """Take a phone as WeChat encrypts it for mini-programs that are older."""
        program, showing = await minis.asked(request, Showing)
        return _json(await program.encrypted_phone(showing))

    @router.post("/mini/{name}/group")
    @raises(*OF_BODIES, *OF_FIELDS, *OF_KEYS, "not_found")
    async def show_group(request: Request) -> Response:
        """Take from which group somebody came, as WeChat encrypts it."""
        program, showing = await minis.asked(request, Showing)
        return _json(await program.group(showing))

    @router.post("/mini/{name}/events", status_code=202)
    @raises(*OF_BODIES, *OF_FIELDS, *OF_KEYS, "not_found")
    async def collect_mini_events(request: Request) -> Response:
        """Take what happened on a phone. 202 means that the log has what is accepted."""
        program, telling = await minis.asked(request, Telling, body.BODY_BYTES_MAX)
        return _json(await program.tell(telling), 202)

    return router


def _trust(session: Session | None) -> Trust:
    return Trust.SERVER if session else Trust.BROWSER


def _read(content: bytes, kind: type[A]) -> A:
    try:
        return kind.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError:
        raise InvalidEvent("invalid_json", "the body is not JSON in UTF-8") from None
    except ValidationError as error:
        raise first_fault(error) from None


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
