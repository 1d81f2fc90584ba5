"""Log a browser in and out for the dashboard."""

from collections.abc import Mapping

from fastapi import Request, Response

from app.accounts.desk import Accounts
from app.errors import TooManyLogins
from batch.errors import NotAuthorized, StoreError


class BrowserLogin:
    """Begins and ends browser sessions for the login page."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def sign_in(self, request: Request, fields: Mapping[str, str], response: Response) -> str:
        """Log in by `user` and `password`, or by `token`, and set the session's cookie on the response.

        Returns "", or the reason of a refusal, as a key of the texts of the log-in page.
        """
        logins, address = self._accounts.logins, request.scope["address"]
        try:
            if fields.get("user"):
                login = await logins.by_password(fields["user"], fields.get("password", ""), address)
            else:
                login = await logins.by_token(fields.get("token", ""), address)
            new = await self._accounts.sessions.create(login, dict(request.scope["headers"]))
        except NotAuthorized:
            return "refused"
        except TooManyLogins:
            return "slowed"
        except StoreError:
            return "unavailable"
        request.scope["principal"] = login.principal
        response.headers["Set-Cookie"] = new.cookie
        return ""

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session of the request, and delete its cookie."""
        response.headers["Set-Cookie"] = await self._accounts.sessions.end(dict(request.scope["headers"]))
