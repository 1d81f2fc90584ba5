"""Log a browser in and out for the dashboard."""

from collections.abc import Mapping

from fastapi import Request, Response

from kaboom.accounts.service import accounts_of
from kaboom.accounts.sessions import Confirmation
from kaboom.errors import NotAuthorized, NotFound, StoreError
from kaboom.web.caller_errors import TooManyLogins


async def sign_in(request: Request, fields: Mapping[str, str], response: Response) -> str:
    """Log in by `user` and `password`, or by `token`, and set the session's cookie on the response.

    Returns "", or the reason of a refusal, as a key of the texts of the log-in page.
    """
    accounts, address, headers = await accounts_of(request), request.scope["address"], dict(request.scope["headers"])
    try:
        if fields.get("user"):
            login = await accounts.logins.by_password(
                fields["user"], fields.get("password", ""), address=address, headers=headers
            )
        else:
            login = await accounts.logins.by_token(fields.get("token", ""), address)
        new = await accounts.sessions.create(login, headers, address)
        device = await accounts.devices.make_cookie(headers, login.account) if login.account else ""
    except NotAuthorized:
        return "refused"
    except TooManyLogins:
        return "slowed"
    except StoreError:
        return "unavailable"
    request.scope["principal"] = login.principal
    response.headers["Set-Cookie"] = new.cookie
    if device:
        response.headers.append("Set-Cookie", device)
    return ""


async def confirm(request: Request, fields: Mapping[str, str]) -> str:
    """Enter the password or the token of the request's session again.

    Returns "", or the reason of a refusal, as `sign_in` does.
    """
    accounts = await accounts_of(request)
    given = Confirmation(fields.get("password", ""), fields.get("token", ""), request.scope["address"])
    try:
        await accounts.sessions.confirm(dict(request.scope["headers"]), given, accounts.logins)
    except (NotAuthorized, NotFound):
        return "refused"
    except TooManyLogins:
        return "slowed"
    except StoreError:
        return "unavailable"
    return ""


async def sign_out(request: Request, response: Response) -> None:
    """End the session of the request, and delete its cookie."""
    accounts = await accounts_of(request)
    response.headers["Set-Cookie"] = await accounts.sessions.end(dict(request.scope["headers"]))
