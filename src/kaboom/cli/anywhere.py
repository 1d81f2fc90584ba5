"""`--lang` and `--json` at any place in the command line."""

from collections.abc import Sequence
from itertools import islice

from kaboom.cli.index import INDEX

_SWITCH, _VALUED = "--json", "--lang"


def move_to_front(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--lang` and `--json` moved before the command, where they work for every command.

    Arguments after `--` are not moved, and neither are arguments that a command passes to another program.
    """
    if any(INDEX[word].takes_any for word in arguments if word in INDEX):
        return list(arguments)
    own, rest = list[str](), list[str]()
    left = iter(arguments)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word == _SWITCH or word.startswith(f"{_VALUED}="):
            own.append(word)
        elif word == _VALUED:
            own += [word, *islice(left, 1)]
        else:
            rest.append(word)
    return own + rest


def find_language(arguments: Sequence[str]) -> str | None:
    """Return the value of `--lang`, or None; help needs it before the options are read."""
    left = iter(arguments)
    for word in left:
        if word == _VALUED:
            return next(left, None)
        if word.startswith(f"{_VALUED}="):
            return word.partition("=")[2]
    return None
