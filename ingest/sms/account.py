"""An account at a provider of text messages."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ingest.account import Account

Provider = Literal["aliyun", "tencent", "twilio"]
PathSecret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{32,128}$")]


class SmsAccount(Account):
    """*secret* is the last part of the address: for Aliyun and Tencent, who sign nothing, it is all that protects it.

    *auth_token* is what Twilio signs with.
    """

    provider: Provider
    secret: Annotated[PathSecret, Field(repr=False)]
    auth_token: Annotated[str, Field(repr=False)] = ""

    def path(self, family: str, name: str) -> str:  # noqa: ARG002 # the secret stands for the name
        """Return the address, which is shown to whoever may read the channels file: it is to be pasted as it is."""
        return f"/collect/{family}/{self.provider}/{self.secret}"

    @model_validator(mode="after")
    def _is_signed_by_twilio_alone(self) -> Self:
        if bool(self.auth_token) != (self.provider == "twilio"):
            raise ValueError("twilio needs an auth_token, and nobody else has one")
        return self
