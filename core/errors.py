"""Every error that this system raises on purpose, named for what the catcher does about it.

* SiyuError
  + InvalidEvent       the input is wrong and will stay wrong: reject or quarantine it
  + InvalidSetting     the installation is configured wrongly: stop and say which setting
  + Unavailable        the log or the database cannot be reached now: try again
    - Overloaded       too much is waiting already: try again after a while
  + Unstorable         the database cannot hold a value: find the event that has it, and quarantine that
  + Contended          another worker moved what this batch had read: take the batch again
  + NotFound           nobody has heard of it: 404
    - Gone             somebody has, and it was taken back: 410
  + Refused            it contradicts what is recorded, or a rule: 409
  + Unauthorized       no key, or an unknown one: 401
  + Forbidden          the key does not reach so far: 403
  + Limited            he asks too often: 429
"""


class SiyuError(Exception):
    """The root of the tree; never raised itself."""


class InvalidEvent(SiyuError):
    """An input that cannot be taken.

    *code* is stable and for machines, *pointer* is the JSON pointer of the offending field (empty for the whole), and
    *detail* is a sentence for a person. None of the three repeats a value that the sender gave.
    """

    def __init__(self, code: str, detail: str, pointer: str = "") -> None:
        super().__init__(f"{pointer or '/'}: {detail}")
        self.code = code
        self.detail = detail
        self.pointer = pointer


class InvalidSetting(SiyuError):
    """A setting that is missing, unknown or out of range."""


class Unavailable(SiyuError):
    """The log or the database did not answer; what was asked may or may not have happened."""


class Overloaded(Unavailable):
    """More is waiting than may wait; *retry_after_seconds* says when to come again."""

    def __init__(self, detail: str, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unstorable(SiyuError):
    """A value that the database cannot hold, however often it is tried; nothing was written."""


class Contended(SiyuError):
    """Another transaction changed what this one had read; nothing was written, and trying again is right."""


class NotFound(SiyuError):
    """An id, an identifier or an article that nobody has heard of."""


class Gone(NotFound):
    """An id of somebody of whom all that was known has been taken back."""


class Refused(SiyuError):
    """A request that contradicts what is recorded, or a rule."""


class Unauthorized(SiyuError):
    """No key was given, or it is unknown, was revoked, or has expired."""


class Forbidden(SiyuError):
    """The key is known and lacks the scope for this."""


class Limited(SiyuError):
    """Somebody asked this more often than he may; *retry_after_seconds* says when to come again."""

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
