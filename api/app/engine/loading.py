"""Load functions by name: a job type names its functions, so that the API never loads those that run jobs."""

import importlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

from batch.kit.gc_tuning import freeze_loaded_objects


def load_function(name: str) -> Callable[..., Awaitable[Any]]:
    """Return the coroutine function of a `module:function`; its module is loaded at the first call."""
    module, function = name.split(":")
    if module not in sys.modules:
        importlib.import_module(module)
        # Freeze again: this module was loaded after the fork, and may have loaded polars.
        freeze_loaded_objects()
    return cast("Callable[..., Awaitable[Any]]", getattr(sys.modules[module], function))
