"""Starts child processes in order, restarts them when they die, and stops them in reverse order."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from kaboom.cli.exits import CliError, Exit
from kaboom.cli.stack.child import Child, ChildSpec
from kaboom.drivers.stop import StopEvent

_log = structlog.get_logger(__name__)


class Supervisor:
    """Runs children in the order of their dependencies.

    `record` saves the list of children; it is called often, so it must be cheap if nothing has changed. `is_ours`
    returns whether the children may still be restarted. Once `stopping` is set, none is started or restarted.
    """

    def __init__(
        self,
        record: Callable[[list[Child]], None] = lambda _: None,
        is_ours: Callable[[], bool] = lambda: True,
        find_cause: Callable[[], str] = lambda: "",
        stopping: StopEvent | None = None,
    ) -> None:
        self.children: list[Child] = []
        #: Where each call of `start` begins in the list.
        self._batches: list[int] = []
        self._record = record
        self._is_ours = is_ours
        self._find_cause = find_cause
        self._is_recorded = True
        self._failures: dict[str, str] = {}
        self._stopping = stopping or StopEvent()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start some children side by side, and wait until each answers.

        Raises:
            CliError: a stop was requested meanwhile.

        """
        self._heed_stop()
        fresh: list[Child] = []
        self._batches.append(len(self.children))
        for spec in specs:
            fresh.append(Child(spec))
            self.children.append(fresh[-1])
            self._note()
        for child in fresh:
            child.wait_ready(self._stopping.is_set)
        self._heed_stop()
        # A child that was repaired and restarted meanwhile has another pid.
        self._note()

    def watch(self) -> None:
        """Restart children that die, from now on."""
        self._watcher.start()

    def stop(self) -> None:
        """Stop every child, the last started first; those that were started side by side are stopped so."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        left = list(self.children)
        for begin in reversed(self._batches):
            batch, left = left[begin:], left[:begin]
            for child in reversed(batch):
                child.ask_to_end()
            for child in reversed(batch):
                child.stop()

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            # This thread must not end, whatever fails: nothing would restart it.
            try:
                self._look()
            except Exception as e:  # noqa: BLE001  see above
                self._log_failure("supervisor", repr(e))

    def _look(self) -> None:
        if not self._is_ours():
            return
        cause = self._find_cause()
        for child in self.children:
            if self._stopping.is_set():
                return
            try:
                if child.revive(cause):
                    self._failures.pop(child.spec.name, None)
            except Exception as e:  # noqa: BLE001  one that cannot be restarted must not keep the others from it
                # A full disk or table of processes passes.
                self._log_failure(child.spec.name, str(e))
        self._note()

    def _log_failure(self, child: str, reason: str) -> None:
        """Log a failed restart once, and again only if its reason changes."""
        if self._failures.get(child) != reason:
            self._failures[child] = reason
            # A full disk may also hold our own log.
            with suppress(Exception):
                _log.warning("restart_failed", child=child, reason=reason)

    def _heed_stop(self) -> None:
        if self._stopping.is_set():
            raise CliError(Exit.INTERRUPTED, "")

    def _note(self) -> None:
        try:
            self._record(self.children)
        except OSError as e:
            if self._is_recorded:
                _log.warning("children_not_recorded", reason=str(e))
            self._is_recorded = False
        else:
            self._is_recorded = True
