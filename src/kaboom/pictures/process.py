"""Drawing in a separate process with limits, so that the API does not load matplotlib.

This module is also the program of that process: it reads a picture as JSON and writes it as PNG.
"""

import asyncio
import sys
from importlib.util import find_spec

from kaboom.drivers.child_process.command import build_command, build_environment, limit_process
from kaboom.errors import ConfigurationError, StoreError
from kaboom.pictures.model import Language, Picture

_MEMORY_BYTES = 1536 << 20
#: Of CPU time; on a busy machine more time passes.
_SECONDS = 30
_PATIENCE_S = 240


def can_draw() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


class PictureProcess:
    """Draws one picture at a time; others wait."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(1)

    async def draw(self, picture: Picture, *, language: Language) -> bytes:
        """Return a picture as PNG, as `kaboom.pictures.png.draw` does.

        Raises:
            ConfigurationError: matplotlib is not installed.
            StoreError: drawing took too much time or memory.

        """
        if not can_draw():
            raise ConfigurationError("matplotlib is not installed: pictures need kaboom-api[pictures]")
        async with self._free:
            process = await asyncio.create_subprocess_exec(
                *build_command("kaboom.pictures.process", language),
                env=build_environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    content, _ = await process.communicate(picture.model_dump_json().encode())
            except TimeoutError as e:
                raise StoreError(f"the picture was not drawn in {_PATIENCE_S} s") from e
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode or not content:
            raise StoreError(f"the picture was not drawn: its process ended with {process.returncode}")
        return content


def _main(language: Language) -> int:
    # Limits are set before matplotlib is loaded.
    limit_process(memory_bytes=_MEMORY_BYTES, cpu_s=_SECONDS)
    from kaboom.pictures.png import draw  # noqa: PLC0415  only here

    picture = Picture.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.buffer.write(draw(picture, language=language))
    return 0


if __name__ == "__main__":
    sys.exit(_main("ja" if sys.argv[1] == "ja" else "en"))
