"""The answers of a strategy's process: this module runs code of users."""

import linecache
import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from kaboom.backtest.broker import Broker
from kaboom.backtest.context import Context
from kaboom.backtest.engine.arrays import ExSessions, Floats, Issues
from kaboom.backtest.model import FillModel
from kaboom.backtest.own.decisions import Decisions, NotingContext
from kaboom.backtest.own.wire import Message, receive, send
from kaboom.backtest.panel import Panel
from kaboom.backtest.run import check_targets, run_bars
from kaboom.backtest.strategies.files import AnyStrategy, StrategyKind, describe_lines, load_strategy
from kaboom.backtest.strategy import BarStrategy
from kaboom.errors import InvalidRequest
from kaboom.market.interval import Interval

#: The most bytes of a panel; the limit of memory is less.
_MOST_BYTES = 1 << 40
_LONGEST = 1500
#: The arrays of a panel after `scale`, before those of statements.
_STATED = len(Issues._fields) + len(ExSessions._fields)


class Answers:
    """Answers the messages of a worker, of which the first one is `load`."""

    def __init__(self, name: str) -> None:
        self._file = f"{name}.py"
        self._kind: StrategyKind | None = None
        self._panels: dict[int, Panel] = {}

    def answer(self, message: Message) -> Message:
        """Return the answer to a message; an error of the user's code is one, too."""
        do = {
            "load": self._load,
            "parse": self._parse,
            "keep": self._keep,
            "targets": self._targets,
            "decisions": self._decisions,
        }[message.words["do"]]
        try:
            return do(message)
        except MemoryError:
            return _fault("memory", "")
        except InvalidRequest as e:
            return _fault("invalid", e.message + describe_lines(e.__cause__, self._file), e.pointer)
        except BaseException as e:  # noqa: BLE001  code of users may raise anything, also SystemExit
            return _fault("raised", f"{type(e).__name__}: {e}"[:_LONGEST] + describe_lines(e, self._file))

    def _load(self, message: Message) -> Message:
        source: str = message.words["source"]
        # Tracebacks show lines of files that exist, or that are noted here.
        linecache.cache[self._file] = (len(source), None, source.splitlines(keepends=True), self._file)
        self._kind = load_strategy(Path(self._file), source.encode())
        return Message({"statements": self._kind.statements})

    def _parse(self, message: Message) -> Message:
        strategy = self._build(message.words)
        protection = None if isinstance(strategy, BarStrategy) else strategy.protection
        to_json = getattr(strategy, "to_json", None)
        described = {
            "is_called": protection is None,
            "protection": protection and [protection.stop_loss, protection.take_profit],
            "values": dict(to_json()) if to_json else message.words["parameters"],
        }
        orjson.dumps(described)  # raises TypeError for what is not JSON
        return Message(described)

    def _keep(self, message: Message) -> Message:
        words, (opened_at, days, prices, scale, *others) = message.words, message.arrays
        stated = dict(zip(words["stated"], others[_STATED:], strict=True))
        for number in words["drop"]:
            del self._panels[number]
        issues, ex_sessions = Issues(*others[:3]), ExSessions(*others[3:_STATED])
        columns = (opened_at, days, prices, scale, issues, ex_sessions)
        self._panels[words["panel"]] = Panel(tuple(words["symbols"]), Interval(words["interval"]), *columns, stated)
        return Message({})

    def _targets(self, message: Message) -> Message:
        panel, strategy = self._start(message.words)
        if isinstance(strategy, BarStrategy):
            raise TypeError("Strategy has become one with on_bar")
        found = strategy.targets(panel.read_only)
        check_targets(panel, found)
        targets: Floats = np.asarray(found, dtype=np.float64)
        if targets.shape != panel.shape:
            raise InvalidRequest(f"targets had shape {targets.shape}, expected {panel.shape}")
        return Message({}, [targets])

    def _decisions(self, message: Message) -> Message:
        panel, strategy = self._start(message.words)
        if not isinstance(strategy, BarStrategy):
            raise TypeError("Strategy has become one with targets")
        noting = _Noting(strategy)
        rules = FillModel.parse(message.words["model"]).to_rules()
        first = message.words["first"]

        def warm_up(bar: int, broker: Broker) -> None:
            if bar < first:
                broker.drop_all()

        run_bars(panel, noting, rules, message.words["cash"], warm_up, noting.build_context)
        decisions = noting.noted()
        return Message({}, [decisions.rows, decisions.seen])

    def _start(self, words: Mapping[str, Any]) -> tuple[Panel, AnyStrategy]:
        # The same seed for each call: a trial does not depend on the trials before it.
        random.seed(words["seed"])
        np.random.seed(words["seed"])  # noqa: NPY002  the global state, which strategies use
        return self._panels[words["panel"]], self._build(words)

    def _build(self, words: Mapping[str, Any]) -> AnyStrategy:
        if self._kind is None:
            raise TypeError("expected load first")
        return self._kind.parse(words["parameters"])


class _Noting:
    """A strategy that is called for each bar, with a note of its decisions."""

    def __init__(self, strategy: BarStrategy) -> None:
        self._strategy = strategy
        self._context: NotingContext | None = None

    def build_context(self, panel: Panel, broker: Any) -> Context:
        self._context = NotingContext(panel, broker)
        return self._context

    def noted(self) -> Decisions:
        if self._context is None:
            raise TypeError("expected a run first")
        return self._context.noted()

    def prepare(self, panel: Panel) -> None:
        self._strategy.prepare(panel)

    def on_bar(self, context: Context) -> None:
        if self._context is not None:
            self._context.note_account()
        self._strategy.on_bar(context)


def serve(wire: socket.socket, answers: Answers, first: Mapping[str, Any]) -> None:
    """Say hello, and answer messages until the worker ends the connection."""

    def take(view: memoryview) -> None:
        while view:
            size = wire.recv_into(view)
            if not size:
                raise EOFError
            view = view[size:]

    send(Message(first), wire.sendall)
    _silence()
    while True:
        try:
            message = receive(take, most_bytes=_MOST_BYTES)
        except EOFError:
            return
        send(answers.answer(message), wire.sendall)


def _silence() -> None:
    """Let what code of users prints go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _fault(kind: str, message: str, pointer: str = "") -> Message:
    return Message({"error": {"kind": kind, "message": message[: 2 * _LONGEST], "pointer": pointer}})
