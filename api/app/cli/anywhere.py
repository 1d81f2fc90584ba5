"""`--lang` and `--json` anywhere in the line."""

from collections.abc import Iterator, Sequence

from app.cli.index import INDEX

_SWITCH, _VALUED = "--json", "--lang"


def move_to_front(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--lang` and `--json` before the command, where every command has them.

    What follows `--` stays where it is, and so does what a command passes on to another program.
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
            own += [word, *_take_one(left)]
        else:
            rest.append(word)
    return own + rest


def find_language(arguments: Sequence[str]) -> str | None:
    """Return what `--lang` says, None without it: help is printed before the options are read."""
    left = iter(arguments)
    for word in left:
        if word == _VALUED:
            return next(left, None)
        if word.startswith(f"{_VALUED}="):
            return word.partition("=")[2]
    return None


def _take_one(left: Iterator[str]) -> Iterator[str]:
    if (value := next(left, None)) is not None:
        yield value
