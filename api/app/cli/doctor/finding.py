"""What doctor found of one part, and what mends it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `ok`, `warning` or `fault`, what was seen, and the command or the act that mends it."""

    part: str
    verdict: str
    detail: str
    mend: str = ""
