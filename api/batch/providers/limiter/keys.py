"""The Redis keys of the limiter, and nothing else; `docs/reference/redis-keys.md` lists the same."""


def state(provider: str) -> str:
    """Return the key of a provider's pauses and failures, a hash."""
    return f"kaboom:provider:{provider}"


def held(provider: str) -> str:
    """Return the key of the sorted set of requests under way, by the end of their lease."""
    return f"kaboom:provider:{provider}:held"


def recent(provider: str) -> str:
    """Return the key of the sorted set of released permits, by when they leave the window."""
    return f"kaboom:provider:{provider}:recent"


def waiting(provider: str) -> str:
    """Return the key of the sorted set of processes that wait for a slot, by when they are no longer counted."""
    return f"kaboom:provider:{provider}:waiting"


def of_provider(provider: str) -> list[str]:
    """Return the keys that every script takes, in the order of `lua/prelude.lua`."""
    return [state(provider), held(provider), recent(provider), waiting(provider)]
