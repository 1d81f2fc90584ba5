"""Fetch a provider's list of issues, compare it with the previous one, and save it."""

from datetime import date

import structlog

from kaboom.bars.open_provider import build_master
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import JST, is_session, previous_session
from kaboom.market.lists.master import MasterReport, take_master
from kaboom.market_data.request import MasterRequest

#: The most log lines for each kind of change.
_MOST_LINES = 100

_log = structlog.get_logger(__name__)


async def run_refresh_symbols(request: MasterRequest, *, settings: BatchSettings) -> MasterReport:
    """Save a provider's newest list beside the shipped ones, unless this is a dry run; return the changes.

    Raises:
        InvalidRequest: the provider has no such list, or lacks a setting.
        ProviderError: the provider failed.
        Conflict: the list seems to be incomplete; nothing was saved.

    """
    master = build_master(settings, request.provider or settings.provider)
    snapshot = await master.fetch_master(request.session or _today())
    most = request.most_lost_percent
    report = take_master(snapshot, settings.symbols_dir, most_lost_percent=most, dry_run=request.dry_run)
    _log_changes(report)
    return report


def _today() -> date:
    today = utc_now().astimezone(JST).date()
    return today if is_session(today) else previous_session(today)


def _log_changes(report: MasterReport) -> None:
    changes = report.changes
    as_of, counts = report.snapshot.as_of.isoformat(), {kind: len(rows) for kind, rows in changes.kinds.items()}
    _log.info("symbols_refreshed", as_of=as_of, symbols=len(report.snapshot.listings), **counts)
    for s in changes.listed[:_MOST_LINES]:
        _log.info("symbol_listed", symbol=s.symbol, name=s.name, market=s.market.value)
    for s in changes.delisted[:_MOST_LINES]:
        _log.info("symbol_delisted", symbol=s.symbol, name=s.name, market=s.market.value)
    for change in changes.renamed[:_MOST_LINES]:
        _log.info("symbol_renamed", symbol=change.symbol, old=change.old, new=change.new)
    for change in changes.moved[:_MOST_LINES]:
        _log.info("symbol_moved", symbol=change.symbol, old=change.old, new=change.new)
