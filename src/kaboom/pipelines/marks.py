"""The marks in the requests of steps: the session of the run, and the symbols that another step passed."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

#: In a text of `params` it becomes the session of the run.
SESSION_MARK = "{session}"
#: As a whole text of `params` it becomes the list of symbols that the result of a needed step names.
_PASSED_MARK = re.compile(r"\{passed:([a-z0-9_-]{1,40})\}")


def fill_session(value: Any, session: date) -> Any:
    """Return JSON in which each text has the session in place of `{session}`."""
    if isinstance(value, str):
        return value.replace(SESSION_MARK, session.isoformat())
    if isinstance(value, Mapping):
        return {name: fill_session(each, session) for name, each in value.items()}
    return [fill_session(each, session) for each in value] if isinstance(value, list | tuple) else value


def passed_steps(value: Any) -> list[str]:
    """Return the steps whose symbols JSON takes."""
    if isinstance(value, str):
        return [found[1]] if (found := _PASSED_MARK.fullmatch(value)) else []
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [name for each in parts for name in passed_steps(each)]


def fill_passed(value: Any, symbols: Mapping[str, Sequence[str]]) -> Any:
    """Return JSON in which `{passed:step}` is the list of symbols that a step passed."""
    if isinstance(value, str):
        return list(symbols[found[1]]) if (found := _PASSED_MARK.fullmatch(value)) else value
    if isinstance(value, Mapping):
        return {name: fill_passed(each, symbols) for name, each in value.items()}
    return [fill_passed(each, symbols) for each in value] if isinstance(value, list | tuple) else value
