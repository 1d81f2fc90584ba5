"""The Lua scripts that change jobs, each behind the prelude that they share."""

from importlib.resources import files

from batch.kit.redis import AsyncScript, Redis


def load_script(redis: Redis, name: str) -> AsyncScript:
    """Return a script of the folder `lua`; its keys are those of `app.jobs.keys.of_job`."""
    folder = files("app.jobs") / "lua"
    prelude = (folder / "prelude.lua").read_text(encoding="utf-8")
    return redis.register_script(prelude + (folder / f"{name}.lua").read_text(encoding="utf-8"))
