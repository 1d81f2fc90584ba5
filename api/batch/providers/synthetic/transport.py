"""Planted failures of the way to the provider: what a network and an overloaded server do."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from batch.errors import ProviderError, RateLimited
from batch.market.outcome import Outcome, SymbolOutcome
from batch.providers.base import BarRequest
from batch.providers.synthetic.rng import (
    Floats,
    Stream,
    bounded_normals,
    derive_keys,
    hash_words,
    uniforms,
)


@dataclass(frozen=True, slots=True)
class TransportFaults:
    """How often a call, or one symbol's part of it, fails; 0 by default.

    Deterministic per seed, symbol, session and attempt, so that a second attempt can succeed.

    Attributes:
        p_429: the whole call is refused, with `retry_after_s`.
        p_5xx: the whole call fails.
        p_timeout: the whole call gets no answer.
        p_truncated: a symbol's answer breaks off, for each of its sessions.
        p_empty_200: a symbol's answer is empty but says success, for each of its sessions.
        latency_s: median time of a call, lognormal.
        latency_sigma: standard deviation of its logarithm.

    """

    p_429: float = 0.0
    retry_after_s: float = 5.0
    p_5xx: float = 0.0
    p_timeout: float = 0.0
    p_truncated: float = 0.0
    p_empty_200: float = 0.0
    latency_s: float = 0.0
    latency_sigma: float = 0.5

    def draw_latency(self, seed: int, request: BarRequest) -> float:
        """Return how many seconds the call takes."""
        words = hash_words(derive_keys(seed, [_call_name(request)]), Stream.TRANSPORT, np.array([1]))
        return float(self.latency_s * np.exp(self.latency_sigma * bounded_normals(words)[0]))

    def raise_for_call(self, seed: int, request: BarRequest) -> None:
        """Raise if the whole call fails; its first symbol, first session and attempt decide.

        Raises:
            RateLimited: the call was refused.
            ProviderError: it failed or got no answer; retryable.

        """
        words = hash_words(derive_keys(seed, [_call_name(request)]), Stream.TRANSPORT, np.array([0]))
        bounds = np.cumsum([self.p_429, self.p_5xx, self.p_timeout])
        match int(np.searchsorted(bounds, uniforms(words)[0], side="right")):
            case 0:
                raise RateLimited(
                    f"synthetic fault: status was 429, expected 200; retry after {self.retry_after_s:g} s",
                    retry_after_s=self.retry_after_s,
                )
            case 1:
                raise ProviderError("synthetic fault: status was 503, expected 200", retryable=True)
            case 2:
                raise ProviderError("synthetic fault: no answer in time", retryable=True)
            case _:
                return

    def draw_symbol_faults(self, seed: int, request: BarRequest) -> Mapping[str, SymbolOutcome]:
        """Return the outcomes of the symbols whose answers were spoilt."""
        if not self.p_truncated + self.p_empty_200:
            return {}
        draws = _symbol_draws(seed, request)
        broken = draws < self.p_truncated
        empty = ~broken & (draws < self.p_truncated + self.p_empty_200)
        texts = {
            "synthetic fault: the answer broke off, expected complete JSON": broken.any(axis=1),
            "synthetic fault: status was 200 with an empty body, expected bars": empty.any(axis=1),
        }
        return {
            request.symbols[i]: SymbolOutcome(
                request.symbols[i], Outcome.PROVIDER_ERROR, message=text, attempts=request.attempt
            )
            for text, hit in texts.items()
            for i in np.flatnonzero(hit)
        }


def _symbol_draws(seed: int, request: BarRequest) -> Floats:
    ordinals = np.array([day.toordinal() for day in request.sessions], dtype=np.int64)
    keys = derive_keys(seed, request.symbols)[:, None]
    return uniforms(hash_words(keys, Stream.TRANSPORT, ordinals * 64 + request.attempt))


def _call_name(request: BarRequest) -> str:
    return f"call|{request.symbols[0]}|{request.sessions[0]}|{request.interval}|{request.attempt}"
