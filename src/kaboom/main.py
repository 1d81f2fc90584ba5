"""The API: lifespan, routers, handlers; nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from app.accounts.audit_routes import router as audit_router
from app.accounts.desk import Accounts
from app.accounts.login_routes import router as login_router
from app.accounts.session_routes import router as sessions_router
from app.accounts.shared_keys import SharedKeys
from app.accounts.user_routes import router as users_router
from app.address_limit import AddressLimiter
from app.ai_analysis.routes import router as analysis_router
from app.auth.guard import Authenticator
from app.auth.ingest_tokens import IngestTokens, parse_ingest_tokens
from app.backtest.routes import router as backtest_router
from app.caller_limit import CallerLimiter
from app.catalog import CATALOG
from app.dashboard.routes import install_dashboard
from app.engine.asking import DataDisk
from app.engine.dispatch import LocalDispatcher
from app.engine.instruments import instrument_api
from app.engine.lifecycle import Jobs
from app.engine.parts import build_parts
from app.engine.reaper import Reaper
from app.engine.scheduler import Scheduler
from app.errors import install_handlers
from app.health.routes import router as health_router
from app.ingest.default_schedule import default_schedule
from app.ingest.overdue import read_missing
from app.jobs.cursor import Cursors
from app.jobs.sharing import Sharing
from app.jobs_api.all_queues import router as all_jobs_router
from app.jobs_api.submit_routes import queue_routers
from app.live.events import EventHub
from app.market_data.opening import open_desk
from app.market_data.routes import router as market_router
from app.middleware import Gate
from app.notifications.notifier import Notifier
from app.notifications.routes import router as notifications_router
from app.notifications.rule_routes import router as rules_router
from app.openapi import install_openapi
from app.overview.feed import JobFeed
from app.overview.routes import router as overview_router
from app.overview.routes import settings_router
from app.portfolios.booking_routes import router as booking_router
from app.portfolios.desk import build_desk
from app.portfolios.routes import router as portfolios_router
from app.schedules.routes import router as schedules_router
from app.settings import AppSettings, load_settings
from app.telemetry.logs import configure_logging
from app.telemetry.requests import Measured
from app.telemetry.traces import start_tracing, stop_tracing
from app.webhooks.routes import router as webhooks_router
from batch.errors import ConfigurationError
from batch.kit.open_sessions import close_sessions
from batch.kit.stop import end_tasks
from batch.pictures.process import PictureProcess

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ROUTERS = (
    all_jobs_router,
    overview_router,
    settings_router,
    schedules_router,
    login_router,
    sessions_router,
    users_router,
    audit_router,
    webhooks_router,
    market_router,
    portfolios_router,
    booking_router,
    backtest_router,
    notifications_router,
    rules_router,
    analysis_router,
)

_log = structlog.get_logger(__name__)


def create_app(settings: AppSettings | None = None, *, authenticators: Sequence[Authenticator] = ()) -> FastAPI:
    """Return the API with these settings, by default those of the environment.

    Requests are authenticated by the authenticators of `Accounts`, or by one of `authenticators`.

    Raises:
        ConfigurationError: no ingest token is set, a token is invalid, or the key of JWTs is too short.

    """
    chosen = settings or load_settings()
    configure_logging(log_format=chosen.log_format, level=chosen.log_level)
    if chosen.ingest_api_token is None:
        raise ConfigurationError("INGEST_API_TOKEN is not set: `kaboom token new` makes one")
    tokens = parse_ingest_tokens(chosen.ingest_api_token.get_secret_value())
    tracing = start_tracing(chosen.otlp_endpoint, service="kaboom-api") if chosen.otlp_endpoint else None
    app = FastAPI(
        title="Kaboom",
        version="0.1.0",
        summary="Jobs on Japanese-equity market data, with the truth about each symbol.",
        lifespan=lambda app: _live(app, chosen),
        # FastAPI's pages load their scripts from a CDN; the dashboard has its own API page.
        docs_url=None,
        redoc_url=None,
        # `install_openapi` encodes the document once; FastAPI would encode it for each request.
        openapi_url=None,
        telemetry=_telemetry(tracing),
    )
    app.state.accounts = accounts = Accounts(chosen, IngestTokens(tokens), SharedKeys(tokens))
    app.state.changes = accounts.trail
    app.state.limiter = limiter = CallerLimiter(write=chosen.rate_limit_write, read=chosen.rate_limit_read)
    app.state.addresses = addresses = AddressLimiter(chosen.rate_limit_anonymous, hops=chosen.proxy_hops)
    app.add_middleware(
        Gate,
        authenticators=(*accounts.authenticators, *authenticators),
        limiter=limiter,
        addresses=addresses,
        changes=accounts.trail,
    )
    # The routes of jobs first: FastAPI tries routers in their order.
    for router in (*queue_routers(CATALOG), *_ROUTERS, health_router):
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
async def _live(app: FastAPI, settings: AppSettings) -> AsyncIterator[None]:
    parts = build_parts(settings, CATALOG, role="api", schedules=[default_schedule()])
    await parts.check()
    _log.info("api_started", name=parts.name, release=settings.release)
    app.state.limiter.share(parts.counts)
    app.state.jobs = jobs = Jobs(parts)
    app.state.accounts.open(parts)
    # The key is in the ledger, which all API processes share: cursors are valid in all of them, also after a restart.
    app.state.cursors = Cursors(partial(app.state.accounts.shared_keys.load, "cursors"))
    app.state.shared = Sharing()
    app.state.desk = open_desk(settings)
    app.state.pictures = PictureProcess()
    app.state.portfolios = build_desk(parts.portfolios, settings)
    app.state.events = hub = EventHub(parts.events, most_streams=settings.max_streams)
    app.state.job_feed = feed = JobFeed(parts, hub)
    accounts: Accounts = app.state.accounts
    work = [hub.run(), feed.run(), accounts.trail.run(), accounts.failed_logins.run()]
    work += [*_background(jobs), *instrument_api(parts)]
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


def _background(jobs: Jobs) -> list[Coroutine[Any, Any, None]]:
    parts = jobs.parts
    work = [Reaper(parts).run()]
    if isinstance(parts.dispatcher, LocalDispatcher):
        # With Celery, workers run the handlers; their main processes run the scheduler, the courier and the notifier.
        from app.engine.courier import run_courier  # noqa: PLC0415
        from app.engine.local import local_workers  # noqa: PLC0415

        work += [Scheduler(jobs).run(), *local_workers(parts, parts.dispatcher), run_courier(parts)]
        work += [Notifier(jobs, read_missing).run()]
    return work
