"""The port to the requests of one provider, counted over all processes, and the limits of a provider."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from kaboom.errors import ConfigurationError
from kaboom.providers.registry import get_provider_spec, provider_names

#: How soon to ask again if it is unknown when a slot will be free.
POLL_S = 0.1
#: A longer pause is cut to this. The record of a provider is kept as long.
LONGEST_NAMED_S = 86400.0
_OFF = "off"


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a provider may be asked; times in seconds.

    Attributes:
        requests: most requests in any window of `window_s`, as the provider counts them; None for no limit.
        concurrency: most requests under way at once; None for no limit.
        window_s: how long the window is.
        lease_s: how long a permit is valid if it is not renewed. The slot of a killed process is free after this.
        failures: this many failures in a row begin a pause.
        first_pause_s: the first pause if the provider names none. Each further pause without an answer in between
            is twice as long.
        longest_pause_s: the longest of these. J-Quants blocks a caller for about 5 minutes.

    """

    requests: int | None = None
    concurrency: int | None = None
    window_s: float = 60.0
    lease_s: float = 30.0
    failures: int = 5
    first_pause_s: float = 15.0
    longest_pause_s: float = 300.0

    @property
    def is_per_second(self) -> bool:
        """Whether the window is a second, not a minute."""
        return self.window_s == 1.0

    @property
    def are_none(self) -> bool:
        """Whether nothing is limited."""
        return self.requests is None and self.concurrency is None


class Reason(StrEnum):
    """Why there is no permit now."""

    PACE = "pace"  # the limit of requests is reached; the next permit is free after the given seconds
    BUSY = "busy"  # all slots are taken, or the one trial request after a pause is under way: ask again soon
    PAUSE = "pause"  # the provider asked for a pause, or fails


@dataclass(frozen=True, slots=True)
class Permit:
    """The permission to make one request. It expires after `Limits.lease_s` unless it is renewed."""

    permit_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """No permit yet: the reason, the seconds until it is worth asking again, and the message of a pause."""

    reason: Reason
    seconds: float
    message: str = ""


class Result(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"  # an answer, or a refusal that has nothing to do with the rate
    FAILED = "failed"  # no answer, or one that shows that the provider is failing
    LIMITED = "limited"  # a 429 or a block: the provider asks for a pause
    UNKNOWN = "unknown"  # the request was cancelled


class PermitStore(Protocol):
    """The permits of one provider. Each method is atomic over all processes and raises StoreError without its store.

    A permit counts from when it is given until a window after it is released. The request reaches the provider in
    between, so the provider never gets more requests than the limit in any window, even with high latency.
    After a pause a single permit is given first. Its answer lets the others go on, or begins the next pause.
    """

    async def acquire(self) -> Permit | Wait:
        """Return a permit, or why and how long to wait."""
        ...

    async def renew(self, permit: Permit) -> None:
        """Extend the lease of a permit whose request is still under way."""
        ...

    async def release(
        self, permit: Permit, result: Result, *, pause_s: float | None = None, message: str = ""
    ) -> float:
        """End a permit; return the seconds of the pause that this starts, or 0.

        `pause_s` is the pause that the provider asked for, None if it named none; `message` says why, for people.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


def parse_limits(provider: str, requests_per_minute: str, concurrency: str) -> Limits:
    """Return a provider's limits; two texts such as `jquants=120 yahoo=off` override them.

    Raises:
        InvalidRequest: no provider has this name.
        ConfigurationError: a text names a provider that does not exist.

    """
    own = get_provider_spec(provider).capabilities
    at_once = _find(provider, concurrency, own.concurrency)
    # A setting is for a minute, also where the provider's own limit is for a second.
    if own.requests_per_second is not None and provider not in _parse(requests_per_minute):
        return Limits(own.requests_per_second, at_once, window_s=1.0)
    return Limits(_find(provider, requests_per_minute, own.requests_per_minute), at_once)


def _find(provider: str, text: str, own: int | None) -> int | None:
    said = _parse(text).get(provider)
    if said is None:
        return own
    return None if said == _OFF else int(said)


def _parse(text: str) -> dict[str, str]:
    by_provider = dict(part.split("=") for part in text.split())
    if unknown := by_provider.keys() - set(provider_names()):
        names = ", ".join(provider_names())
        raise ConfigurationError(f"a limit was set for provider {min(unknown)}, supported are {names}")
    return by_provider
