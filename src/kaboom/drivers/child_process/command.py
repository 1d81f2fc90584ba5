"""How a child process is started: a fresh interpreter, and an environment without secrets."""

import os
import sys
from pathlib import Path

#: The variables that a child gets. An allow list: settings, and so secrets, are variables too.
_PASSED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    # Where matplotlib and fontconfig keep their caches.
    "HOME",
    "TMPDIR",
    "MPLCONFIGDIR",
    "XDG_CACHE_HOME",
)


def build_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module in a fresh interpreter, which reads no `PYTHON*` variables."""
    # -I also keeps the working folder off the import path.
    return (sys.executable, "-I", "-m", module, *arguments)


def build_environment(home: Path | None = None) -> dict[str, str]:
    """Return the environment of a child: no secrets, and one thread for numpy, since each thread reserves memory.

    With `home`, this folder is its home and holds its temporary files.
    """
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    passed |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    return passed | ({"HOME": str(home), "TMPDIR": str(home)} if home else {})
