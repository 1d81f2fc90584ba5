"""A process loads the driver of PostgreSQL when it opens a ledger there, not before."""

import subprocess
import sys

import pytest

OPEN_MEMORY = "open_memory_ledger([])"
OPEN_POSTGRES = "open_postgres_ledger('postgresql://host/db', name='test', pool_size=2)"


@pytest.mark.parametrize(("opening", "loaded"), [(OPEN_MEMORY, "[]"), (OPEN_POSTGRES, "['psycopg', 'sqlalchemy']")])
def test_driver_of_postgresql_loads_with_its_ledger(opening: str, loaded: str) -> None:
    code = f"import sys, kaboom.main; from kaboom.jobs.postgres.opening import *; {opening}"
    code += "; print([name for name in ('psycopg', 'sqlalchemy') if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == loaded
