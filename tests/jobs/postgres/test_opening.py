"""A process loads the driver of PostgreSQL when it opens a ledger there, not before."""

import subprocess
import sys

import pytest

URL = "postgresql://host/db"


@pytest.mark.parametrize(("url", "loaded"), [(None, "[]"), (URL, "['psycopg', 'sqlalchemy']")])
def test_driver_of_postgresql_loads_with_its_ledger(url: str | None, loaded: str) -> None:
    code = f"""
import sys, kaboom.main
from kaboom.drivers.postgres.database import open_database
from kaboom.jobs.postgres.opening import open_history
open_database({url!r}, name="test", pool_size=2).open(open_history)
print([name for name in ("psycopg", "sqlalchemy") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == loaded
