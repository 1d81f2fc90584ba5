"""`kaboom bars export` and `kaboom bars mirror`: bars of the data folder as files for other tools."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kaboom.bars.export.formats import Format
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.local_store import choose_series, none_held, open_actions, open_store
from kaboom.cli.options import AsOf, IntervalName, Json, Source, parse_as_of, parse_day
from kaboom.cli.session import Session
from kaboom.market.calendar import JST, OLDEST_YEAR
from kaboom.providers.registry import get_source_spec

if TYPE_CHECKING:
    from kaboom.bars.actions.adjustment import Adjustment
    from kaboom.bars.export.files import ExportedFile
    from kaboom.bars.export.manifest import MirrorFile
    from kaboom.bars.export.plan import PlannedFile
    from kaboom.bars.export.publish import Published
    from kaboom.bars.store import BarReader, BarStore

    type Planner = Callable[[BarStore], Awaitable[list[PlannedFile]]]

Day = Annotated[str | None, typer.Option(help="session, YYYY-MM-DD, included (default: all held sessions)")]
FileFormat = Annotated[str, typer.Option("--format", help="format of the files in a folder: parquet, csv or arrow")]


def export_bars(
    context: typer.Context,
    out: Annotated[
        Path,
        typer.Argument(help="file (.parquet, .csv, .arrow), or folder that gets a file for each month (1d: year)"),
    ],
    symbol: Annotated[
        list[str] | None, typer.Option(help="only this symbol (repeatable; default: all held, indices too)")
    ] = None,
    interval: IntervalName = "1m",
    first: Day = None,
    last: Day = None,
    source: Source = None,
    form: FileFormat = "parquet",
    as_of: AsOf = None,
    *,
    adjusted: Annotated[
        bool, typer.Option("--adjusted", help="prices adjusted for splits (default: raw, as traded)")
    ] = False,
    total_return: Annotated[
        bool, typer.Option("--total-return", help="prices adjusted for splits and cash dividends")
    ] = False,
    json: Json = False,
) -> None:
    """Write bars to a file or a folder; times are UTC and mark the start of a bar."""
    session: Session = context.obj.with_json(json)
    begin = parse_day(first, "--first") if first else date(OLDEST_YEAR, 1, 1)
    days = begin, parse_day(last, "--last") if last else datetime.now(UTC).date() + timedelta(days=1)
    suffix, moment = _parse_format(form), parse_as_of(as_of)

    async def plan(store: "BarStore") -> "list[PlannedFile]":
        from kaboom.bars.export.plan import Prices, Selection, plan_file, plan_folder  # noqa: PLC0415  polars
        from kaboom.bars.history import reader_at  # noqa: PLC0415  polars

        series = await choose_series(session, store, interval, source)
        spec = get_source_spec(series.source)
        symbols = sorted({spec.parse_symbol(text) for text in symbol or []})
        prices = Prices.TOTAL_RETURN if total_return else Prices.ADJUSTED if adjusted else Prices.RAW
        selection = Selection(series, *days, tuple(symbols), prices)
        is_file = bool(out.suffix) and not out.is_dir()
        bars = reader_at(store, moment)
        found = await (plan_file(bars, selection, out) if is_file else plan_folder(bars, selection, out, suffix))
        if not found:
            what = " ".join([*symbols, interval, f"({days[0]} … {days[1]})"])
            raise none_held(session, what, interval, source=series.source)
        return found

    _print(session, asyncio.run(_export(session, plan, moment)))


def mirror_bars(
    context: typer.Context,
    place: Annotated[
        str,
        typer.Argument(
            help="folder, s3://bucket/folder or gs://bucket/folder, which gets a manifest and Parquet files"
        ),
    ],
    months: Annotated[int | None, typer.Option(help="number of newest months (default: all)", min=1, max=1200)] = None,
    form: FileFormat = "parquet",
    grace: Annotated[
        int, typer.Option(help="hours that a file is kept which the manifest names no more", min=1, max=8760)
    ] = 24,
    *,
    json: Json = False,
) -> None:
    """Write all held bars, a file for each month, of daily bars for each year; each file is replaced as a whole."""
    from kaboom.bars.export.publish import Publication, Watch, plan_run, publish  # noqa: PLC0415  polars
    from kaboom.drivers.bucket import open_objects  # noqa: PLC0415  obstore

    session: Session = context.obj.with_json(json)
    wish = Publication(datetime.now(UTC), months, _parse_format(form), grace=timedelta(hours=grace))

    async def run() -> "Published | None":
        async with open_store() as store:
            folder = open_objects(place)
            planned = await plan_run(store, folder, wish)
            if not planned.names:
                raise none_held(session, session.words.say("any interval"))
            with _progress(session, planned.bars) as show:
                return await publish(store, folder, planned, Watch(on_bars=show))

    if done := asyncio.run(run()):
        _print_mirror(session, place.rstrip("/"), done, grace)


def _print_mirror(session: Session, place: str, done: "Published", grace: int) -> None:
    files = [
        _row(f"{place}/{file.path}", file.provider, file.interval, file) | {"is_new": file.path in done.written}
        for file in done.files
    ]
    retired = len(done.manifest.retired) if done.manifest else 0
    counts = {"unchanged": len(files) - len(done.written), "deleted": len(done.deleted), "retired": retired}
    _print(session, [file for file in files if file["is_new"]] if not session.is_json else files, counts)
    if done.manifest and not session.is_json:
        words = session.words
        session.say(
            "{files} unchanged; of older ones {deleted:,} deleted, {retired:,} kept for {hours} (--grace)",
            files=words.count("{n:,} file", "{n:,} files", counts["unchanged"]),
            hours=words.count("{n:,} hour", "{n:,} hours", grace),
            deleted=counts["deleted"],
            retired=retired,
        )


def _print(session: Session, files: Sequence[Mapping[str, Any]], counts: Mapping[str, int] | None = None) -> None:
    totals = {"bars": sum(f["bars"] for f in files), "bytes": sum(f["bytes"] for f in files), **(counts or {})}
    if session.print_if_json({**totals, "files": files}):
        return
    for file in files:
        session.show(f"{file['path']}  {file['bars']:,}  {file['provider']}")
    if any(not file["is_real"] for file in files):
        session.say(
            "source: {source} — generated, not market data",
            source=", ".join(sorted({file["provider"] for file in files if not file["is_real"]})),
        )
    words = session.words
    bars = words.count("{n:,} bar", "{n:,} bars", totals["bars"])
    session.say(
        "{bars} in {files}, {bytes:,} bytes",
        bars=bars,
        files=words.count("{n:,} file", "{n:,} files", len(files)),
        bytes=totals["bytes"],
    )


async def _export(session: Session, plan: "Planner", as_of: datetime | None) -> list[dict[str, Any]]:
    from kaboom.bars.export.files import export_files  # noqa: PLC0415  polars
    from kaboom.bars.history import reader_at  # noqa: PLC0415  polars

    async with open_store() as store:
        planned = await plan(store)
        reader = reader_at(store, as_of)
        adjustment = await _load_adjustment(planned, reader, as_of)
        with _progress(session, sum(file.bars for file in planned)) as show:
            written = await export_files(reader, planned, show, adjustment=adjustment)
    return [
        _row(str(file.path), series.source, series.interval, file, adjusted=bool(each.selection.prices))
        for each, file in zip(planned, written, strict=True)
        for series in (each.selection.series,)
    ]


def _row(
    path: str, provider: str, interval: str, file: "ExportedFile | MirrorFile", *, adjusted: bool = False
) -> dict[str, Any]:
    """Return a file of bars as `--json` prints it."""
    return {
        "path": path,
        "provider": provider,
        "is_real": get_source_spec(provider).is_real,
        "interval": interval,
        "adjusted": adjusted,
        "bars": file.bars,
        "bytes": file.bytes,
    }


async def _load_adjustment(
    planned: "list[PlannedFile]", bars: "BarReader", as_of: datetime | None
) -> "Adjustment | None":
    """Return the adjustment of an export, which has one series; None for raw prices."""
    from kaboom.bars.actions.adjustment import Wish, load_adjustment  # noqa: PLC0415  polars
    from kaboom.bars.export.plan import Prices  # noqa: PLC0415  polars
    from kaboom.bars.history import reader_at  # noqa: PLC0415  polars

    selection = planned[0].selection
    if selection.prices is Prices.RAW:
        return None
    until = (as_of or datetime.now(UTC)).astimezone(JST).date()
    wish = Wish(until, selection.first, selection.prices is Prices.TOTAL_RETURN)
    async with open_actions() as store:
        return await load_adjustment(reader_at(store, as_of), bars, selection.series, selection.symbols, wish)


@contextmanager
def _progress(session: Session, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=32), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=session.err, disable=not session.err.is_terminal, transient=True) as progress:
        task = progress.add_task(session.words.header("bars"), total=total)
        yield lambda done: progress.update(task, completed=done)


def _parse_format(text: str) -> Format:
    offered = [form.value for form in Format if form is not Format.JSON]
    if text not in offered:
        raise CliError(Exit.USAGE, f"--format was {text[:20]!r}, expected one of {', '.join(offered)}")
    return Format(text)
