"""The API: lifespan, routers, handlers; nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from kaboom.accounts.routes import admin_router
from kaboom.accounts.routes import router as accounts_router
from kaboom.accounts.service import Accounts
from kaboom.accounts.shared_keys import SharedKeys
from kaboom.analysis.routes import router as analysis_router
from kaboom.backtest.routes import router as backtest_router
from kaboom.catalog import CATALOG
from kaboom.dashboard.renderer import Pages
from kaboom.dashboard.routes import install_dashboard
from kaboom.drivers.batcher import Sharing
from kaboom.drivers.open_sessions import close_sessions
from kaboom.drivers.stop import end_tasks
from kaboom.errors import ConfigurationError, KaboomError
from kaboom.fundamentals.routes import router as fundamentals_router
from kaboom.health.routes import Readiness
from kaboom.health.routes import router as health_router
from kaboom.jobs.api.job_list import router as all_jobs_router
from kaboom.jobs.api.routes import queue_routers
from kaboom.jobs.cursor import Cursors
from kaboom.jobs.engine.dispatch import LocalDispatcher
from kaboom.jobs.engine.health_checks import BarsFolder, DataDisk
from kaboom.jobs.engine.instruments import instrument_api
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts, build_parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.redis.events import EventHub
from kaboom.jobs.redis.redis_counts import RedisCounts
from kaboom.market_data.queries import SymbolsQuery
from kaboom.market_data.routes import router as market_router
from kaboom.market_data.service import LazyMarketTables, open_market_tables
from kaboom.notify.notifier import Notifier
from kaboom.notify.routes import router as notifications_router
from kaboom.operations.feed import JobFeed
from kaboom.operations.pruner import Pruner
from kaboom.operations.routes import RecentOverviews, settings_router
from kaboom.operations.routes import router as overview_router
from kaboom.paper.routes import router as paper_router
from kaboom.pictures.process import PictureProcess
from kaboom.pipelines.routes import router as pipelines_router
from kaboom.pipelines.routes import runs_router as pipeline_runs_router
from kaboom.pipelines.runner import PipelineRunner
from kaboom.pipelines.store import open_pipelines
from kaboom.portfolio.routes import router as portfolios_router
from kaboom.portfolio.service import build_portfolio_service
from kaboom.portfolio.store import open_portfolios
from kaboom.schedules.overdue import read_ingest_gauges, read_missing
from kaboom.schedules.routes import router as schedules_router
from kaboom.schedules.scheduler import Scheduler
from kaboom.schedules.store import open_schedules
from kaboom.screens.routes import matches_router
from kaboom.screens.routes import router as screens_router
from kaboom.screens.service import SharedScreener
from kaboom.settings import AppSettings, load_settings
from kaboom.telemetry.logs import configure_logging
from kaboom.telemetry.requests import Measured
from kaboom.telemetry.traces import start_tracing, stop_tracing
from kaboom.web.auth.guard import Authenticator, Confirmations
from kaboom.web.auth.tokens import IngestTokens, parse_ingest_tokens
from kaboom.web.errors import install_handlers
from kaboom.web.middleware import Gate
from kaboom.web.openapi import install_openapi
from kaboom.web.rate_limit import AddressLimiter, CallerLimiter
from kaboom.web.services import Services, services_of
from kaboom.webhooks.routes import router as webhooks_router

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

# The routes of jobs first: FastAPI tries routers in their order.
_ROUTERS = (
    *queue_routers(CATALOG),
    all_jobs_router,
    overview_router,
    settings_router,
    schedules_router,
    pipelines_router,
    pipeline_runs_router,
    screens_router,
    matches_router,
    accounts_router,
    admin_router,
    webhooks_router,
    market_router,
    fundamentals_router,
    portfolios_router,
    paper_router,
    backtest_router,
    notifications_router,
    analysis_router,
    health_router,
)

_log = structlog.get_logger(__name__)


def create_app(settings: AppSettings | None = None, *, authenticators: Sequence[Authenticator] = ()) -> FastAPI:
    """Return the API with these settings, by default those of the environment.

    Requests are authenticated by the authenticators of `Accounts`, or by one of `authenticators`.

    Raises:
        ConfigurationError: no ingest token is set, a token is invalid, or the key of JWTs is too short.

    """
    chosen = settings or load_settings()
    configure_logging(log_format=chosen.log_format, level=chosen.log_level, trace_project=chosen.trace_project)
    if chosen.ingest_api_token is None:
        raise ConfigurationError("INGEST_API_TOKEN is not set: `kaboom token new` makes one")
    tokens = parse_ingest_tokens(chosen.ingest_api_token.get_secret_value())
    tracing = start_tracing(chosen.otlp_endpoint, service="kaboom-api") if chosen.otlp_endpoint else None
    limiter = CallerLimiter(write=chosen.rate_limit_write, read=chosen.rate_limit_read)
    app = FastAPI(
        title="Kaboom",
        version=version("kaboom-api"),
        summary="Jobs on Japanese-equity market data, with the truth about each symbol.",
        lifespan=lambda app: _live(app, chosen, limiter),
        # FastAPI's pages load their scripts from a CDN; the dashboard has its own API page.
        docs_url=None,
        redoc_url=None,
        # `install_openapi` encodes the document once; FastAPI would encode it for each request.
        openapi_url=None,
        telemetry=_telemetry(tracing),
    )
    accounts = Accounts(chosen, IngestTokens(tokens), SharedKeys(tokens))
    addresses = AddressLimiter(chosen.rate_limit_anonymous, hops=chosen.proxy_hops)
    app.state.services = services = Services()
    services.add(accounts, accounts.trail, addresses, Confirmations(accounts.sessions.find_confirmed_at))
    app.add_middleware(
        Gate,
        authenticators=(*accounts.authenticators, *authenticators),
        limiter=limiter,
        addresses=addresses,
        changes=accounts.trail,
    )
    for router in _ROUTERS:
        app.include_router(router)
    install_openapi(app)
    install_dashboard(app, release=chosen.release)
    if chosen.metrics_port:
        app.add_middleware(Measured)
    install_handlers(app, DataDisk(chosen.data_dir).explain)
    return app


def _telemetry(tracing: "TracerProvider | None") -> TelemetryConfig:
    """Let FastAPI open one span for each request, and nothing else: Kaboom has its own metrics and logs."""
    return {
        "tracer_provider": tracing,
        "tracing": tracing is not None,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
    }


@contextlib.asynccontextmanager
async def _live(app: FastAPI, settings: AppSettings, limiter: CallerLimiter) -> AsyncIterator[None]:
    parts = build_parts(settings, CATALOG, role="api")
    await parts.check()
    _log.info("api_started", name=parts.name, release=settings.release)
    limiter.share(RedisCounts(parts.redis) if parts.redis is not None else None)
    accounts = services_of(app).find(Accounts)
    accounts.open(parts.database, parts.redis)
    tables = open_market_tables(settings)
    jobs, hub = Jobs(parts), EventHub(parts.events, most_streams=settings.max_streams)
    feed = JobFeed(parts.store, parts.events, hub)
    services_of(app).add(
        jobs,
        hub,
        feed,
        # The key is in the ledger, so that cursors are valid in all API processes, also after a restart.
        Cursors(partial(accounts.shared_keys.load, "cursors")),
        Sharing(),
        PictureProcess(),
        _build_readiness(parts),
        RecentOverviews(),
        tables,
        SharedScreener(settings, parts.database),
        build_portfolio_service(parts.database.open(open_portfolios), settings),
    )
    work = [hub.run(), feed.run(), accounts.trail.run(), accounts.failed_logins.run()]
    work += [_warm_up(tables, services_of(app).find(Pages))]
    work += [*_background(jobs), *instrument_api(parts, more=read_ingest_gauges)]
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        await end_tasks(tasks)
        await accounts.failed_logins.flush()
        await accounts.trail.flush()
        await close_sessions()
        await parts.close()
        stop_tracing()


async def _warm_up(tables: LazyMarketTables, pages: Pages) -> None:
    """Load polars, symbol lists and templates in a thread while the API answers; the first page took a second."""
    with contextlib.suppress(KaboomError, OSError):
        # If it fails, the first request tries again, and says why it fails.
        found = await tables.get()
        await asyncio.to_thread(found.references.symbols, SymbolsQuery(q="7203"), None)
    await pages.warm_up()


def _build_readiness(parts: Parts) -> Readiness:
    settings = parts.settings
    bars = BarsFolder(settings.bars_dir if settings.keeps_bars_in_folder else None)
    return Readiness(parts.store, parts.dispatcher, parts.history, bars, DataDisk(settings.data_dir), settings.release)


def _background(jobs: Jobs) -> list[Coroutine[Any, Any, None]]:
    parts = jobs.parts
    days = parts.settings.job_retention_days
    pruner = Pruner(parts.catalog.queues, parts.store, parts.history, parts.database, days=days)
    work = [Reaper(parts, prune=pruner.step).run()]
    if isinstance(parts.dispatcher, LocalDispatcher):
        # With Celery, workers run the handlers; their main processes run the scheduler, the courier and the notifier.
        from kaboom.jobs.engine.local import local_workers  # noqa: PLC0415
        from kaboom.jobs.engine.webhook_sender import run_courier  # noqa: PLC0415

        work += [
            Scheduler(jobs, parts.database.open(open_schedules)).run(),
            PipelineRunner(jobs, parts.database.open(open_pipelines)).run(),
            *local_workers(parts, parts.dispatcher),
            run_courier(parts),
        ]
        work += [Notifier(jobs, partial(read_missing, parts)).run()]
    return work
