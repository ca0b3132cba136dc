"""WeChat as the users of a mini-program and its server meet it: codes that stand for who holds a phone, and for his number.

It stands in for what `wx.login` and a `getPhoneNumber` button do on a phone (`/phone/…`, which no brand can reach), and for
`jscode2session` and `getuserphonenumber` of api.weixin.qq.com. A code is good once, and five minutes.
"""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from fastapi import Body, FastAPI, Request, Response
from fastapi.responses import JSONResponse

CODE_SECONDS = 300.0
_BLOCK_BYTES = 16


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who uses the mini-program on his phones: *number* is in China, without the country."""

    openid: str
    unionid: str = ""
    number: str = ""


@dataclass
class _Code:
    name: str
    made_at: float
    is_used: bool = False


@dataclass
class MiniProgramUsers:
    """Users of the mini-program *app_id* by name. *is_down* makes every answer of the API an error."""

    app_id: str
    secret: str
    users: Mapping[str, Owner]
    now: Callable[[], float] = time
    is_down: bool = False
    asked: list[str] = field(default_factory=list)
    session_keys: dict[str, str] = field(default_factory=dict)
    _logins: dict[str, _Code] = field(default_factory=dict)
    _phones: dict[str, _Code] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)

    def login_code(self, name: str) -> str:
        """Return what `wx.login` gives the user called *name*."""
        return self._made(self._logins, name)

    def phone_code(self, name: str) -> str:
        """Return what a `getPhoneNumber` button gives him when he agrees."""
        return self._made(self._phones, name)

    def encrypted(self, name: str, fields: Mapping[str, object], app_id: str = "") -> Mapping[str, str]:
        """Return *fields* as WeChat hands them to the phone of a user who has logged in: `encryptedData` and `iv`."""
        stamped = {**fields, "watermark": {"appid": app_id or self.app_id, "timestamp": int(self.now())}}
        plain, iv = orjson.dumps(stamped), secrets.token_bytes(_BLOCK_BYTES)
        missing = _BLOCK_BYTES - len(plain) % _BLOCK_BYTES
        key = base64.b64decode(self.session_keys[name])
        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        closed = encryptor.update(plain + bytes([missing]) * missing) + encryptor.finalize()
        return {"encryptedData": base64.b64encode(closed).decode(), "iv": base64.b64encode(iv).decode()}

    def application(self) -> FastAPI:
        """Return the platform as an application."""
        app = FastAPI()

        @app.middleware("http")
        async def fail_when_down(request: Request, call_next):  # type: ignore[no-untyped-def] # as Starlette has it
            self.asked.append(request.url.path)
            if self.is_down:
                return Response("down", 502)
            return await call_next(request)

        @app.get("/phone/login")
        async def log_in(user: str) -> Response:
            """Do what `wx.login` does."""
            return JSONResponse({"code": self.login_code(user), "errMsg": "login:ok"})

        @app.get("/phone/number")
        async def show_number(user: str) -> Response:
            """Do what a `getPhoneNumber` button does."""
            return JSONResponse({"code": self.phone_code(user), "errMsg": "getPhoneNumber:ok"})

        @app.get("/phone/group")
        async def show_group(user: str, group: str) -> Response:
            """Do what `wx.getShareInfo` does."""
            return JSONResponse({**self.encrypted(user, {"openGId": group}), "errMsg": "getShareInfo:ok"})

        @app.get("/sns/jscode2session")
        async def exchange(appid: str, secret: str, js_code: str, grant_type: str) -> Response:
            """Say for whom a code stands."""
            if (fault := self._fault(appid, secret)) or grant_type != "authorization_code":
                return _refused(fault or 40002)
            code = self._logins.get(js_code)
            if fault := self._spent(code):
                return _refused(fault)
            assert code is not None
            user = self.users[code.name]
            key = self.session_keys.setdefault(code.name, base64.b64encode(secrets.token_bytes(16)).decode())
            union = {"unionid": user.unionid} if user.unionid else {}
            # As text/plain, as WeChat does.
            return Response(orjson.dumps({"session_key": key, "openid": user.openid, **union}), media_type="text/plain")

        @app.post("/cgi-bin/stable_token")
        async def give_token(asked: Mapping[str, str] = Body()) -> Response:
            """Give an access token."""
            if fault := self._fault(asked["appid"], asked["secret"]):
                return _refused(fault)
            token = secrets.token_hex(16)
            self._tokens.add(token)
            return JSONResponse({"access_token": token, "expires_in": 7200})

        @app.post("/wxa/business/getuserphonenumber")
        async def tell_number(access_token: str, asked: Mapping[str, str] = Body()) -> Response:
            """Say for which number a code stands."""
            if access_token not in self._tokens:
                return _refused(40001)
            code = self._phones.get(asked["code"])
            if fault := self._spent(code):
                return _refused(fault)
            assert code is not None
            return JSONResponse({"errcode": 0, "errmsg": "ok", "phone_info": self.phone_info(code.name)})

        return app

    def phone_info(self, name: str, app_id: str = "") -> Mapping[str, object]:
        """Return what WeChat says of the number of the user called *name*."""
        number = self.users[name].number
        watermark = {"timestamp": int(self.now()), "appid": app_id or self.app_id}
        return {"phoneNumber": number, "purePhoneNumber": number, "countryCode": "86", "watermark": watermark}

    def _made(self, codes: dict[str, _Code], name: str) -> str:
        made = secrets.token_hex(16)
        codes[made] = _Code(name, self.now())
        return made

    def _fault(self, app_id: str, secret: str) -> int | None:
        if app_id != self.app_id:
            return 40013
        return None if secret == self.secret else 40125

    def _spent(self, code: _Code | None) -> int | None:
        if code is None or self.now() - code.made_at > CODE_SECONDS:
            return 40029
        if code.is_used:
            return 40163
        code.is_used = True
        return None


def _refused(fault: int) -> Response:
    return JSONResponse({"errcode": fault, "errmsg": "refused"})
