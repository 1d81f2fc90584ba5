"""Search jobs in PostgreSQL for a word."""

from sqlalchemy import ColumnElement, cast, func, literal, or_
from sqlalchemy.dialects.postgresql import JSONPATH

from kaboom.jobs.postgres.tables import JOBS

#: Any text in the request: a symbol, a market, a provider, a session.
_ANY_TEXT = cast(literal("$.** ? (@ == $given || @ == $upper || @ == $lower)"), JSONPATH)


def mentions(word: str) -> ColumnElement[bool]:
    """Return the condition that a job mentions a word, in any case.

    A job mentions a word if its id begins with the word, if its task, market or error message contains the word, or if
    a text of its request equals the word.
    """
    contained = (JOBS.c.task, JOBS.c.request["market"].astext, JOBS.c.error["message"].astext)
    words = func.jsonb_build_object("given", word, "upper", word.upper(), "lower", word.lower())
    return or_(
        JOBS.c.job_id.startswith(word.lower(), autoescape=True),
        *(text.icontains(word, autoescape=True) for text in contained),
        func.jsonb_path_exists(JOBS.c.request, _ANY_TEXT, words),
    )
