"""What doctor found of one part, and what mends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from batch.errors import KaboomError


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `ok`, `warning` or `fault`, what was seen, and the command or the act that mends it."""

    part: str
    verdict: str
    detail: str
    mend: str = ""


async def ask_part(part: str, question: Callable[[], Awaitable[Any]], answer: str, mend: str) -> Finding:
    """Return what a part answered: a fault where it raised, and `mend` then."""
    try:
        await question()
    except KaboomError as e:
        return Finding(part, "fault", e.message, mend)
    return Finding(part, "ok", answer)
