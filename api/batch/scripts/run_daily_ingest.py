"""The daily ingest by its name in the specification: a function, and `python -m batch.scripts.run_daily_ingest`."""

import sys

from kaboom.ingest.run_daily import main, run_daily_ingest

__all__ = ["run_daily_ingest"]

if __name__ == "__main__":
    sys.exit(main())
