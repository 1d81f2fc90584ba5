"""Finding the id of a thing by its name."""

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.session import Session


def find_id(session: Session, path: str, wanted: str, *, missing: str, key: str = "id") -> str:
    """Return the id of the item of a list that has this name, or else this id; `key` names the field of ids.

    Raises:
        CliError: no item has this name or id; `missing` is the message.

    """
    items = session.client().call("GET", path)["items"]
    ids = {item[key]: item[key] for item in items} | {item["name"]: item[key] for item in items}
    if wanted not in ids:
        names = ", ".join(repr(item["name"]) for item in items) or session.words.say("none")
        raise CliError(Exit.NOT_FOUND, session.words.say(missing, wanted=wanted, names=names))
    return str(ids[wanted])
