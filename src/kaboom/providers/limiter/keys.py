"""The Redis keys of the limiter, and nothing else; `docs/reference/redis-keys.md` lists the same."""


def state(provider: str) -> str:
    """Return the key of a provider's pauses and failures, a hash."""
    return f"kaboom:provider:{provider}"


def of_provider(provider: str) -> list[str]:
    """Return the keys that every script takes, in the order of `lua/prelude.lua`, which says what each holds."""
    return [state(provider), *(f"{state(provider)}:{name}" for name in ("held", "recent", "waiting"))]
