"""What doctor found in one part, and how to fix it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `ok`, `warning` or `fault`, what was found, and the command or action that fixes it. In English."""

    part: str
    verdict: str
    detail: str
    mend: str = ""
