"""`kaboom <queue> <verb>`: the commands of each queue, made from its kinds of jobs."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer

from kaboom.analysis.cli import app as ai
from kaboom.backtest.cli.commands import check, compare, list_strategies, report, rerun, run, signals, sweep
from kaboom.backtest.cli.factors import report as report_factor
from kaboom.backtest.jobs import FACTORS, RUN, SWEEP
from kaboom.catalog import CATALOG
from kaboom.cli.index import describe_queue
from kaboom.cli.job_follower import parse_pair, submit
from kaboom.cli.options import Callback, Json, Tags, Timeout, Wait
from kaboom.cli.session import Session
from kaboom.ingest.cli import backfill
from kaboom.ingest.jobs import BACKFILL
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import Queue
from kaboom.notify.cli import app as notify
from kaboom.paper.cli import run as book_session
from kaboom.paper.jobs import PAPER

#: Commands with code of their own, not made from the fields of their request.
_OWN: Mapping[str, Callable[..., None]] = {
    BACKFILL.name: backfill,
    RUN.name: run,
    SWEEP.name: sweep,
    FACTORS.name: report_factor,
    PAPER.name: book_session,
}
#: Commands of a queue that submit no job.
_MORE: Mapping[Queue, Mapping[str, Callable[..., None]]] = {
    Queue.BACKTEST: {
        "report": report,
        "signals": signals,
        "compare": compare,
        "rerun": rerun,
        "check": check,
        "list": list_strategies,
    }
}


#: Queues whose commands have a module of their own, by their noun on the command line.
_NOUNS: Mapping[str, tuple[Queue, typer.Typer]] = {
    "ai": (Queue.AI_ANALYSIS, ai),
    "notify": (Queue.NOTIFICATIONS, notify),
}


def build_noun(name: str) -> typer.Typer:
    """Return the commands of a noun, and one for each further kind of job of its queue."""
    queue, group = _NOUNS[name]
    names = {command.name for command in group.registered_commands}
    for job_type in CATALOG.of(queue):
        if job_type.verb not in names:
            group.command(job_type.verb)(build_command(job_type))
    return group


def build_group(path: str) -> typer.Typer:
    """Return the commands of a queue."""
    queue = next(queue for queue in Queue if queue.path == path)
    group = typer.Typer(help=describe_queue(path), no_args_is_help=True)
    for job_type in CATALOG.of(queue):
        group.command(job_type.verb)(_OWN.get(job_type.name) or build_command(job_type))
    for verb, command in _MORE.get(queue, {}).items():
        group.command(verb)(command)
    return group


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command, and how its values become the field of the request."""

    field: str
    flags: tuple[str, ...]
    kind: type
    help: str
    is_required: bool
    read: Callable[[Any], Any]

    @property
    def name(self) -> str:
        """The parameter of the command."""
        return f"field_{self.field}"

    @property
    def parameter(self) -> inspect.Parameter:
        """The parameter with its option."""
        is_flag = self.kind is bool
        annotation = self.kind if is_flag else list[str] | None if self.kind is list else self.kind | None
        if self.is_required:
            annotation = list[str] if self.kind is list else self.kind
        default = inspect.Parameter.empty if self.is_required else False if is_flag else None
        option = Annotated[annotation, typer.Option(*self.flags, help=self.help)]  # type: ignore[valid-type]
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)


def build_command(job_type: JobType) -> Callable[..., None]:
    """Return the command that submits a kind of job."""
    options = tuple(read_options(job_type))

    def command(context: typer.Context, **given: Any) -> None:
        session: Session = context.obj.with_json(given.pop("json"))
        wait, timeout_s = given.pop("wait"), given.pop("timeout")
        beside = {name: value for name in ("callback_url", "tags") if (value := given.pop(name))}
        body = job_type.request.fill_in({o.field: o.read(given[o.name]) for o in options if _is_given(given[o.name])})
        body |= beside
        if "provider" in job_type.request.model_fields:
            session.say_terms(body.get("provider"))
        submit(session, job_type.path, body, wait=wait, timeout_s=timeout_s)

    shared = [
        ("callback_url", Callback, None),
        ("tags", Tags, None),
        ("wait", Wait, False),
        ("timeout", Timeout, None),
        ("json", Json, False),
    ]
    parameters = [inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY, annotation=typer.Context)]
    parameters += [option.parameter for option in options]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind, default in shared
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = f"{job_type.summary}."
    return command


def read_options(job_type: JobType) -> Iterator[Option]:
    """Yield the options of a kind of job, in the order of its request's fields."""
    request = job_type.request
    schema = request.model_json_schema()
    for field, about in schema["properties"].items():
        kind, read = _read_kind(about)
        flags = request.cli_flags.get(field, (f"--{_to_flag(field, kind)}",))
        if kind is dict:
            kind, read = list, partial(_read_pairs, flags[0], job_type.example.get(field, {}))
        if about.get("default") is True:
            # The option turns off a field that is on by default.
            read = _turn_off
        is_required = field in schema.get("required", ()) and field not in request.fill_in({})
        yield Option(field, flags, kind, _explain(about, kind, job_type.example.get(field)), is_required, read)


def _is_given(value: Any) -> bool:
    return value is not None and value is not False and value != []


def _to_flag(field: str, kind: type) -> str:
    name = field.replace("_", "-")
    return name.removesuffix("s") if kind in {list, dict} else name


def _read_pairs(flag: str, example: Mapping[str, int], texts: list[str]) -> dict[str, int]:
    such_as = " ".join(f"{name}={count}" for name, count in list(example.items())[:1]) or "1m=1"
    return dict(parse_pair(text, flag=flag, such_as=such_as) for text in texts)


def _explain(about: Mapping[str, Any], kind: type, example: Any) -> str:
    """Return the help of an option: its description, the allowed names, an example, the default."""
    names, default = _shape_of(about).get("enum", ()), about.get("default")
    pair = next(iter(example.items()), None) if isinstance(example, dict) else None
    parts = [
        "turn off" if default is True else "",
        about.get("description", ""),
        f"one of {', '.join(names)}" if 1 < len(names) < 9 else "",
        f"such as {pair[0]}={pair[1]}" if pair else "",
        "repeatable" if kind is list else "",
        f"default: {default}" if type(default) in {str, int, float} else "",
    ]
    return "; ".join(part for part in parts if part)


def _shape_of(about: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((one for one in about.get("anyOf", ()) if one.get("type") != "null"), about)


def _turn_off(_given: bool) -> bool:  # noqa: FBT001  the value of a switch
    return False


def _read_kind(about: Mapping[str, Any]) -> tuple[type, Callable[[Any], Any]]:
    """Return the type of an option's values, and the function that makes the JSON of the field from them."""
    match _shape_of(about).get("type"):
        case "boolean":
            return bool, bool
        case "integer":
            return int, int
        case "number":
            return float, float
        case "array":
            return list, list
        case "object":
            return dict, dict
    return str, str
