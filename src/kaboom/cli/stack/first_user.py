"""The first user of a Kaboom on this machine."""

import os
import secrets

from kaboom.cli.exits import CliError
from kaboom.cli.session import Session


def make_first_user(session: Session) -> None:
    """Create an admin if there is no user yet, and show the password once; it is never stored in clear text."""
    # For an external database, the operator creates the users.
    if os.environ.get("DATABASE_URL"):
        return
    try:
        client = session.client()
        if client.call("GET", "/api/v1/users")["items"]:
            return
        password = secrets.token_urlsafe(12)
        client.call("POST", "/api/v1/users", json={"name": "admin", "role": "admin", "password": password})
    except CliError as e:
        # Kaboom works without this user: the ingest token can log in, too.
        session.tell(e.message)
        return
    session.say("first_user_created", name="admin", password=password)
