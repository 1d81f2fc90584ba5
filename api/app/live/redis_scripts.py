"""The Lua scripts that change jobs; each begins with the shared prelude."""

from batch.kit.redis.client import AsyncScript, Redis, register_script


def load_script(redis: Redis, name: str) -> AsyncScript:
    """Return a script of the folder `lua`; its keys are those of `app.live.keys.of_job`."""
    return register_script(redis, "app.live", name)
