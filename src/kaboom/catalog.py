"""Every kind of job, with one import for each feature; routes, schedules and commands are made from these."""

from app.ai_analysis.jobs import ANALYSE
from app.backtest.jobs import RUN, SWEEP
from app.ingest.jobs import BACKFILL, REFRESH_QUOTES, RUN_DAILY
from app.jobs.job_type import Catalog, JobType
from app.market_data.jobs import COMPACT, INDICATORS, MIRROR, REFRESH_SYMBOLS, ROLL_UP, TAKE_BACK
from app.notifications.jobs import DELIVER

CATALOG = Catalog([value for value in list(globals().values()) if isinstance(value, JobType)])
