"""Callers who submit, cancel, retry and delete at the same time, and do not give up while servers die."""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2

from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab
from tests.fixtures.patience import Patience

_THREADS = 8
#: The longest outage, with room: nobody is turned away for longer.
_SUBMITS_WITHIN_S = 90.0
_MAY_BE_STOPPED = frozenset({"completed", "cancelled"})


@dataclass
class Crowd:
    """Eight callers, each in a thread; `done` counts what they did."""

    lab: Lab
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    is_over: threading.Event = field(default_factory=threading.Event)
    #: Begins its keys: two crowds of one lab draw other requests in the same places.
    name: str = field(default_factory=lambda: f"crowd-{uuid.uuid4().hex[:8]}")

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Have them call while the body runs; return when each has finished what it began."""
        with ThreadPoolExecutor(_THREADS, "caller") as pool:
            callers = [pool.submit(self._call, random.Random(f"{self.seed}-{n}"), n) for n in range(_THREADS)]
            try:
                yield
            finally:
                self.is_over.set()
        for caller in callers:
            caller.result()

    def _call(self, draw: random.Random, thread: int) -> None:
        number = 0
        while not self.is_over.is_set():
            number += 1
            symbols, job_id = self._submit(draw, f"{self.name}-{thread}-{number}")
            if draw.random() < 0.5:
                last(draw.uniform(0, 1.5))
                self._cancel(job_id)
            if draw.random() < 0.7:
                self._follow(draw, job_id, symbols)
            last(draw.uniform(0, 0.5))

    def _submit(self, draw: random.Random, key: str) -> tuple[tuple[str, ...], str]:
        body = self.lab.requests.build(draw.randint(1, 3))
        codes = []
        patience = Patience(_SUBMITS_WITHIN_S)
        while not patience.is_over:
            attempt = self.lab.caller.try_submit(body, key=key)
            if attempt.job_id:
                self.lab.caller.expected.setdefault(attempt.job_id, frozenset({"completed"}))
                self._note("submitted")
                return attempt.symbols, attempt.job_id
            codes.append(attempt.code)
            last(0.3)
        raise AssertionError(f"{key} was not accepted within {_SUBMITS_WITHIN_S:g} s: {codes[-20:]}")

    def _cancel(self, job_id: str) -> None:
        self.lab.caller.expected[job_id] = _MAY_BE_STOPPED
        for _ in range(20):
            try:
                code = self.lab.caller.cancel(job_id)
            except httpx2.HTTPError:
                code = 0
            if code == 202:
                self._note("cancelled")
            if code in {202, 409}:
                return
            assert code in {0, 503}, code
            last(0.3)

    def _follow(self, draw: random.Random, job_id: str, symbols: tuple[str, ...]) -> None:
        """Wait for a job's end, and then retry or delete it, or both."""
        self.lab.caller.wait(job_id, within_s=90)
        if draw.random() < 0.6 and self.lab.caller.retry(job_id):
            self._note("retried")
        if draw.random() < 0.4:
            self.lab.caller.delete(job_id, symbols)
            self._note("deleted")

    def _note(self, what: str) -> None:
        self.done[what] += 1


def kill_in_turn(lab: Lab, kinds: list[str], *, for_s: float, seed: int) -> None:
    """Kill what each kind names, in a drawn order, spread over so many seconds."""
    draw, begun_at = random.Random(seed), time.monotonic()
    draw.shuffle(kinds)
    for number, kind in enumerate(kinds):
        last(max(0.0, begun_at + for_s * (number + 0.5) / len(kinds) - time.monotonic()))
        _kill(lab, kind, draw)
    last(max(0.0, begun_at + for_s - time.monotonic()))


def _kill(lab: Lab, kind: str, draw: random.Random) -> None:
    away_s = draw.uniform(0.3, 1.5)
    if kind == "child":
        lab.kill_child(draw)
    elif kind == "ledger":
        assert lab.ledger
        lab.ledger.kill()
        last(away_s)
        lab.ledger.process.start()
    else:
        lab.kill_valkey()
        last(away_s)
        lab.valkey.start()
