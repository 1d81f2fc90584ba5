"""The first user of a Kaboom on this machine."""

import secrets

from app.cli.exits import CliError
from app.cli.session import Session

NAME = "admin"


def make_first_user(session: Session) -> None:
    """Create an admin if there is no user yet, and show the password once; it is never stored in clear text."""
    try:
        client = session.client()
        if client.call("GET", "/api/v1/users")["items"]:
            return
        password = secrets.token_urlsafe(12)
        client.call("POST", "/api/v1/users", json={"name": NAME, "role": "admin", "password": password})
    except CliError as e:
        # Kaboom works without this user: the ingest token can log in, too.
        session.tell(e.message)
        return
    session.say("first_user_created", name=NAME, password=password)
