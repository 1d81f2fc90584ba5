"""Values that are built, and modules that are loaded, on first use."""

import asyncio
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType


class Lazy[T]:
    """A value that is built once, on first use, in a thread, so that a slow import does not block the event loop."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._built: list[T] = []
        self._lock = asyncio.Lock()

    @property
    def is_built(self) -> bool:
        """Whether the value was built."""
        return bool(self._built)

    async def get(self) -> T:
        """Return the value; if building it failed, the next call tries again."""
        if not self._built:
            async with self._lock:
                if not self._built:
                    self._built.append(await asyncio.to_thread(self._build))
        return self._built[0]


def import_lazily(name: str) -> ModuleType:
    """Return a module that is loaded when one of its attributes is first used.

    Raises:
        ModuleNotFoundError: the module is not installed.

    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
