"""`kaboom pipelines`: example, apply, list, show, run, cancel, retry, delete."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.options import Json
from kaboom.cli.output.text import add_row, new_table, to_jst
from kaboom.cli.session import Session

app = typer.Typer(help="Run jobs that belong together after a session, in order.", no_args_is_help=True)

_PIPELINES, _RUNS = "/api/v1/pipelines", "/api/v1/pipeline-runs"

Named = Annotated[str, typer.Argument(metavar="PIPELINE", help="its name")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="the id of a run, as `kaboom pipelines show` lists it")]


@app.command("example")
def example() -> None:
    """Print a pipeline to begin with: ingest, repair gaps, roll up, indicators, analyse."""
    typer.echo(Path(__file__).parents[1].joinpath("example.yaml").read_text(encoding="utf-8"), nl=False)


@app.command("apply")
def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a YAML file; `-` reads stdin")],
    *,
    json: Json = False,
) -> None:
    """Save the pipeline of a file, in place of the one with its name."""
    from kaboom.pipelines.cli.yaml_file import read_pipeline  # noqa: PLC0415  PyYAML, which help does without

    session: Session = context.obj.with_json(json)
    declared = read_pipeline(file)
    try:
        found = session.client().call("POST", _PIPELINES, json=declared.values)
    except CliError as e:
        if faults := declared.describe(e):
            raise CliError(e.code, faults) from e
        raise
    if not session.print_if_json(found):
        session.say("pipeline {name} saved; run it with: kaboom pipelines run {name}", name=found["name"])


@app.command("list")
def list_pipelines(context: typer.Context, *, json: Json = False) -> None:
    """List all pipelines, each with its newest run."""
    session: Session = context.obj.with_json(json)
    found = session.client().call("GET", _PIPELINES)
    if session.print_if_json_or_empty(found, "no pipelines yet; begin with: kaboom pipelines example > morning.yaml"):
        return
    table = new_table(session.words, "pipeline", "steps", "starts after", "session", "state", "id")
    for item in found["items"]:
        last, start = item["last_run"], item["start"]
        state = session.words.coded("job", last["status"]) if last else ""
        run = (last["session"], state, last["run_id"]) if last else ("", "", "")
        add_row(table, item["name"], str(len(item["steps"])), start["on_job"] if start else "", *run)
    session.show(table)


@app.command("run")
def run(
    context: typer.Context,
    pipeline: Named,
    session_day: Annotated[
        str | None, typer.Option("--session", help="the session, as YYYY-MM-DD (default: newest closed)")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="the first day of a span of sessions")] = None,
    last: Annotated[str | None, typer.Option("--to", help="the last day of the span (default: newest closed)")] = None,
    *,
    again: Annotated[bool, typer.Option("--again", help="also a session that has a run")] = False,
    json: Json = False,
) -> None:
    """Run a pipeline for a session, or for each session of a span, oldest first."""
    session: Session = context.obj.with_json(json)
    body: dict[str, Any] = {"session": session_day, "first": first, "last": last, "again": again}
    body = {name: value for name, value in body.items() if value}
    found = session.client().call("POST", f"{_PIPELINES}/{pipeline}/runs", json=body)
    if session.print_if_json(found):
        return
    table = new_table(session.words, "session", "id", "state", "new")
    for item in found["items"]:
        is_new = session.words.say("yes" if item["is_new"] else "no")
        add_row(table, item["session"], item["run_id"], session.words.coded("job", item["status"]), is_new)
    session.show(table)
    session.say("follow a run with: kaboom pipelines show {run_id}", run_id=found["items"][0]["run_id"])


@app.command("show")
def show(
    context: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="RUN|PIPELINE", help="the id of a run, or the name of a pipeline")],
    *,
    json: Json = False,
) -> None:
    """Show a run with the state of each step; of a pipeline, its last runs."""
    session: Session = context.obj.with_json(json)
    client = session.client()
    if re.fullmatch("[0-9a-f]{32}", wanted):
        try:
            _print_run(session, client.call("GET", f"{_RUNS}/{wanted}"))
        except CliError as e:
            # A name may look like an id.
            if e.code is not Exit.NOT_FOUND:
                raise
        else:
            return
    found = client.call("GET", f"{_PIPELINES}/{wanted}/runs")
    if session.print_if_json_or_empty(found, "no runs yet"):
        return
    table = new_table(session.words, "session", "id", "state", "steps", "ended (JST)")
    for item in found["items"]:
        done = sum(step["status"] == "completed" for step in item["steps"])
        steps, ended = f"{done}/{len(item['steps'])}", to_jst(item["ended_at"])
        add_row(table, item["session"], item["run_id"], session.words.coded("job", item["status"]), steps, ended)
    session.show(table)


@app.command("cancel")
def cancel(context: typer.Context, run: RunId, *, json: Json = False) -> None:
    """Cancel a run: its jobs are cancelled, and the steps that wait do not run."""
    _print_run(session := context.obj.with_json(json), session.client().call("POST", f"{_RUNS}/{run}/cancel"))


@app.command("retry")
def retry(context: typer.Context, run: RunId, *, json: Json = False) -> None:
    """Run the steps of an ended run that did not complete again."""
    _print_run(session := context.obj.with_json(json), session.client().call("POST", f"{_RUNS}/{run}/retry"))


@app.command("delete")
def delete(context: typer.Context, pipeline: Named, *, json: Json = False) -> None:
    """Delete a pipeline and the record of its runs; their jobs stay."""
    session: Session = context.obj.with_json(json)
    session.client().call("DELETE", f"{_PIPELINES}/{pipeline}")
    session.print_if_json({"name": pipeline, "status": "deleted"})
    session.say("pipeline {name} deleted; its jobs stay", name=pipeline)


def _print_run(session: Session, found: Mapping[str, Any]) -> None:
    if session.print_if_json(found):
        return
    words = session.words
    session.show(
        words.say(
            "{pipeline}, session {session}: {status}",
            pipeline=found["pipeline"],
            session=found["session"],
            status=words.coded("job", found["status"]),
        )
    )
    table = new_table(words, "step", "state", "task", "job", "reason")
    for step in found["steps"]:
        state = words.coded("step", step["status"])
        add_row(table, step["name"], state, step["task"], step["job_id"] or "", words.detail(step["reason"]))
    session.show(table)
