"""Why the ledger refuses to save something, in words that its stores share."""


def name_taken(what: str, name: str) -> str:
    """Return the message for a name that another one has."""
    return f"a {what} named {name!r} exists already: choose another name"


def too_many(what: str, most: int) -> str:
    """Return the message for an owner who has reached a limit; `what` is in the plural."""
    return f"there are {most} {what} already, which is the limit"
