"""Errors that have an HTTP status of their own, without FastAPI, which workers do not load."""

from kaboom.errors import Forbidden, InvalidRequest, KaboomError, NotAuthorized


class BadCursor(InvalidRequest):
    """A cursor that this API did not return."""


class NotAcceptable(InvalidRequest):
    """A caller who accepts none of the available formats."""


class TooManyStreams(KaboomError):
    """A caller who has too many streams open."""


class PasswordNeeded(Forbidden):
    """A session of a browser whose password was entered too long ago for an admin change."""


class TooManyLogins(KaboomError):
    """A caller, or an account, whose logins failed too often."""


class ExpiredToken(NotAuthorized):
    """A caller whose JWT has a right signature, and has expired."""
