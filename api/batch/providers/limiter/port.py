"""The port to what all processes know of a provider's patience: who may ask it now, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """How a provider is to be asked; times in seconds.

    Attributes:
        requests: most requests in any window, as the provider counts them; None for no limit.
        concurrency: most requests under way at once; None for no limit.
        window_s: how long the window is.
        lease_s: how long a turn counts as under way without a word from who has it: a killed process's slot is
            free after this.
        failures: so many failures in a row begin a pause.
        first_pause_s: the first pause where the provider names none; each further one without an answer in
            between is twice as long.
        longest_pause_s: the longest of these. J-Quants' own block lasts about 5 minutes.

    """

    requests: int | None = None
    concurrency: int | None = None
    window_s: float = 60.0
    lease_s: float = 30.0
    failures: int = 5
    first_pause_s: float = 15.0
    longest_pause_s: float = 300.0

    @property
    def are_none(self) -> bool:
        """Whether nothing is limited."""
        return self.requests is None and self.concurrency is None


class Reason(StrEnum):
    """Why there is no turn now."""

    PACE = "pace"  # as many requests as the limit allows were made; the next turn comes in so many seconds
    BUSY = "busy"  # as many as allowed are under way, or the one that tries after a pause is: ask again soon
    PAUSE = "pause"  # the provider wants to be left alone


@dataclass(frozen=True, slots=True)
class Turn:
    """The permission to make one request; good for `Limits.lease_s`, and longer where it is kept."""

    turn_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """No turn yet: why, how long until it is worth asking again, and in words what a pause is for."""

    reason: Reason
    seconds: float
    message: str = ""


class Verdict(StrEnum):
    """What became of a turn."""

    ANSWERED = "answered"  # an answer came, or a refusal that has nothing to do with how often we ask
    FAILED = "failed"  # no answer, or one that says the provider is unwell
    LIMITED = "limited"  # a 429, a block: it asks for a pause
    LEFT = "left"  # nobody knows: the request was cut off


class Limiter(Protocol):
    """The turns of one provider. Each method is atomic over all processes; all raise StoreError where it is away.

    A turn counts from when it is given until a window after it is over. The request reaches the provider in
    between, so the provider never sees more than the limit in any window, however long the way there.
    After a pause one turn is given alone; its answer lets the others go on, or begins the next pause.
    """

    async def ask(self) -> Turn | Wait:
        """Return a turn, or why and how long to wait."""
        ...

    async def keep(self, turn: Turn) -> None:
        """Say that a request is still under way."""
        ...

    async def settle(self, turn: Turn, verdict: Verdict, *, pause_s: float | None = None, message: str = "") -> float:
        """End a turn; return the seconds of the pause that this began, 0 where it did not.

        `pause_s` is what a limited provider asked for, None where it named nothing; `message` says why, for people.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
