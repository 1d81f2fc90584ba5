"""The models to ask, the address of their API, and the highest prices."""

from collections.abc import Sequence
from dataclasses import dataclass, field

#: The most tokens of an answer: eight points of six claims need about 1,200.
MOST_TOKENS = 2_000
#: The tokens that a server adds to a prompt, such as the marks of a chat.
_ADDED_TOKENS = 1_000


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent, in micro-dollars: by one job, and by all jobs of a day in Japan."""

    job: int
    day: int


@dataclass(frozen=True, slots=True)
class ModelTerms:
    """How models are asked.

    Attributes:
        base_url: the address of OpenRouter's API, without a slash at its end.
        chains: the models that give an opinion; each chain is a model and its fallbacks.
        prompt_price: the most that a token of the prompt may cost, in micro-dollars (dollars per million tokens).
        completion_price: the same for a token of the answer.
        deadline_s: seconds for one opinion, with all tries.

    """

    base_url: str
    key: str = field(repr=False)
    chains: tuple[tuple[str, ...], ...]
    prompt_price: int
    completion_price: int
    budget: Budget
    deadline_s: float

    def most_cost(self, body: bytes) -> int:
        """Return the most micro-dollars that a request can cost: a token has at least one byte."""
        return (len(body) + _ADDED_TOKENS) * self.prompt_price + MOST_TOKENS * self.completion_price


def parse_chains(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the chains of `a/one,b/two c/three`: separated by spaces, with the fallbacks of a model after commas."""
    chains: Sequence[tuple[str, ...]] = [tuple(part for part in chain.split(",") if part) for chain in text.split()]
    return tuple(dict.fromkeys(chain for chain in chains if chain))
