"""The program of a strategy's process: it loads one file, and answers with parameters, target weights or decisions.

It is run as `python -I -m kaboom.backtest.own.program <terms>` with a socket of `wire` messages. Code of users starts
only after everything is given up that `isolation` and `limits` name.
"""

import json
import os
import shutil
import socket
import sys
from functools import partial
from typing import Any

from kaboom.drivers.child_process import command, isolation
from kaboom.drivers.child_process.isolation import run_guarded

#: The exit code of a process that had no memory for a message.
NO_MEMORY = 77
#: A backstop for a process whose worker is frozen: the worker ends a call long before.
_CPU_S = 86_400
#: Folders with sockets and files of other programs.
_OF_OTHERS = ("/run", "/var/run", "/var/tmp", "/dev/shm")  # noqa: S108  they are hidden, not written to


def _main(terms: dict[str, Any]) -> int:
    clean = partial(shutil.rmtree, terms["folder"], ignore_errors=True)
    return run_guarded(partial(_serve, terms), parent=terms["parent"], clean=clean)


def _serve(terms: dict[str, Any], is_isolated: bool) -> int:  # noqa: FBT001  called by the guard
    folder = terms["folder"]
    isolation.die_first()
    if is_isolated:
        isolation.hide_folders({*terms["hidden"], *_OF_OTHERS}, scratch=os.path.dirname(folder))  # noqa: PTH120
    os.mkdir(folder, 0o700)  # noqa: PTH102
    os.chdir(folder)
    # Before the rights of root are gone: another user may not be able to read the installed packages.
    from kaboom.backtest.own.answers import Answers, serve  # noqa: PLC0415

    is_stranger = isolation.drop_root(folder)
    isolation.drop_capabilities()
    isolation.end_with_parent(9)
    command.limit_process(memory_bytes=terms["memory_bytes"], cpu_s=_CPU_S)
    command.limit_files()
    if is_isolated or is_stranger:
        command.limit_processes()
    with socket.socket(fileno=terms["socket"]) as wire:
        try:
            serve(wire, Answers(terms["name"]), {"is_isolated": is_isolated, "is_stranger": is_stranger})
        except MemoryError:
            return NO_MEMORY
    return 0


if __name__ == "__main__":
    sys.exit(_main(json.loads(sys.argv[1])))
