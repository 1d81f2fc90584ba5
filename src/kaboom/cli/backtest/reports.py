"""`kaboom backtest report` and `compare`: the report of a backtest as a file, and runs side by side."""

from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer

from kaboom.cli.backtest.following import RESULTS
from kaboom.cli.options import Json
from kaboom.cli.output.backtests import print_comparison
from kaboom.cli.session import Session

#: A picture takes seconds, and may wait for other pictures.
_DRAWN_S = 300.0
JobId = Annotated[str, typer.Argument(help="the job of a backtest or a sweep that has ended")]
Lang = Annotated[
    Literal["en", "ja"] | None,
    typer.Option("--in", help="language that the report opens in (default: of the commands)"),
]


def report(
    context: typer.Context,
    job_id: JobId,
    out: Annotated[
        Path | None, typer.Option(help="where it is written (default: backtest-<id>.html or .png here)")
    ] = None,
    language: Lang = None,
    *,
    png: Annotated[bool, typer.Option("--png", help="draw it; the server needs kaboom-api[pictures]")] = False,
    json: Json = False,
) -> None:
    """Write the report of a backtest as one HTML file, with --png as a picture; with --json print its numbers."""
    session: Session = context.obj.with_json(json)
    if session.is_json:
        session.print_json(orjson.loads(session.client().fetch(f"{RESULTS}/{job_id}/report.json")))
        return
    kind, spoken = "png" if png else "html", language or session.words.language
    content = session.client().fetch(f"{RESULTS}/{job_id}/report.{kind}?lang={spoken}", timeout=_DRAWN_S)
    session.save_file(out or Path(f"backtest-{job_id[:8]}.{kind}"), content, "report_written")


def compare(
    context: typer.Context,
    job_ids: Annotated[list[str], typer.Argument(help="the jobs of two to eight backtests that have ended")],
    *,
    json: Json = False,
) -> None:
    """Show backtests side by side: metrics, and what differs between them."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", "/api/v1/backtest/compare", params={"job": job_ids})
    if not session.print_if_json(found):
        print_comparison(session, found)
