"""The registry is plain data: the API reads it and starts fast."""

import subprocess
import sys


def test_registry_imports_neither_numpy_nor_polars() -> None:
    script = (
        "import sys, batch.providers.registry as r; r.get_provider_spec('synthetic');"
        "print([m for m in ('numpy', 'polars', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
