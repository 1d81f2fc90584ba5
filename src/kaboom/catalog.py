"""Every kind of job, with one import for each feature; routes, schedules and commands are made from these."""

from kaboom.analysis.jobs import ANALYSE
from kaboom.backtest.jobs import FACTORS, RUN, SWEEP
from kaboom.fundamentals.jobs import FUNDAMENTALS
from kaboom.ingest.jobs import BACKFILL, REFRESH_QUOTES, RUN_DAILY
from kaboom.jobs.job_type import Catalog, JobType
from kaboom.market_data.jobs import COMPACT, INDICATORS, MIRROR, REFRESH_SYMBOLS, ROLL_UP, TAKE_BACK
from kaboom.notify.jobs import DELIVER
from kaboom.paper.jobs import PAPER
from kaboom.pipelines.jobs import START_PIPELINE
from kaboom.screens.jobs import SCREEN

CATALOG = Catalog([value for value in list(globals().values()) if isinstance(value, JobType)])
