"""What a process gives up before it runs code of users, and the guard that leaves none of its children behind.

It gives up the network, other processes, folders, and root's rights.

Each step is Linux's own, and is left out where the system or its container does not allow it.
"""

import contextlib
import ctypes
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_IS_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_MS_RDONLY, _MS_NO_PROGRAMS, _MS_REC, _MS_PRIVATE = 1, 2 | 4 | 8, 1 << 14, 1 << 18
#: Where the code of this process is.
_CODE = (sys.prefix, sys.base_prefix, str(Path(__file__).resolve()))
_SCRATCH_SIZE = b"size=64m"
#: The system call has the same number on all machines; Linux has it since 5.12.
_MOUNT_SETATTR, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, 0x8000, 1
_CAPABILITY_VERSION = 0x20080522
#: A user without a name, a home or files: `nobody` may own those of the embedded PostgreSQL.
_STRANGER = 61_183


def hide_memory() -> None:
    """Keep other processes of this user from reading this process's memory and environment (`/proc/PID/environ`)."""
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent(number: int) -> None:
    """Have the system send this process a signal when its parent has died; a fork or another user undoes it."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of this process's descendants whose own parent has died."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def leave_machine() -> bool:
    """Give the next forked child no network and no other processes; return whether the system allows it."""
    if sys.platform != "linux":
        return False
    flags = os.CLONE_NEWNET | os.CLONE_NEWPID | os.CLONE_NEWNS | os.CLONE_NEWIPC
    user, group = os.geteuid(), os.getegid()
    try:
        os.unshare(flags if user == 0 else flags | os.CLONE_NEWUSER)
    except OSError:
        return False
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with contextlib.suppress(OSError):
                Path("/proc/self", name).write_text(text, encoding="ascii")
    return True


def hide_folders(folders: Iterable[str], *, scratch: str) -> None:
    """Show only this process's own processes in `/proc`, and the folders as empty; call it after `leave_machine`.

    Nothing but `scratch` may be written to. A folder with the code of this process is not hidden; if `scratch` is one,
    files stay as they are.
    """
    _mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
    # The shortest paths first: a folder within a hidden one is hidden already.
    hidden = [each for each in (scratch, *sorted(folders)) if not any(Path(c).is_relative_to(each) for c in _CODE)]
    if scratch in hidden:
        _make_all_read_only()
    _mount("proc", "/proc", kind="proc", flags=_MS_RDONLY | _MS_NO_PROGRAMS)
    for folder in hidden:
        access = 0 if folder == scratch else _MS_RDONLY
        _mount("tmpfs", folder, kind="tmpfs", flags=access | _MS_NO_PROGRAMS)


def drop_capabilities() -> None:
    """Give up the rights that `leave_machine` gave: with them hidden folders could be shown again."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if _IS_LINUX:
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
        _libc().capset(header, (ctypes.c_uint32 * 6)())


def drop_root(folder: str) -> bool:
    """If this process is root's, become a user without a name that owns `folder`; return whether it did.

    It does not where only root can read the installed Python, such as below `/root`: imports would fail.
    """
    if not _IS_LINUX or os.geteuid() != 0 or not all(map(_is_open_to_all, _CODE)):
        return False
    try:
        os.chown(folder, _STRANGER, _STRANGER)
        os.setgroups([])
        os.setgid(_STRANGER)
        os.setuid(_STRANGER)
    except OSError:  # a container whose root is one user alone
        return False
    return True


def _is_open_to_all(path: str) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in Path(path).resolve().parents)


def die_first() -> None:
    """Let the system end this process before others when memory is short."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _prctl(option: int, value: int) -> None:
    if _IS_LINUX:
        _libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _mount(source: str, target: str, *, kind: str = "", flags: int) -> None:
    # An error is ignored: what cannot be hidden is as visible as without namespaces.
    options = _SCRATCH_SIZE if kind == "tmpfs" else None
    _libc().mount(source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options)


def _make_all_read_only() -> None:
    # What is set, what is cleared, the propagation and a user namespace; an error is ignored as in `_mount`.
    wanted = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    _libc().syscall(ctypes.c_long(_MOUNT_SETATTR), -1, b"/", _AT_RECURSIVE, ctypes.byref(wanted), size)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def run_guarded(work: Callable[[bool], int], *, parent: int, clean: Callable[[], None]) -> int:
    """Run `work` in a forked child, and end as the child ended, by its exit code or its signal.

    `work` is told whether the child is without network and other processes. SIGTERM, or the death of the process
    `parent`, ends the child. At the end all descendants are killed, and `clean` is called.
    """
    end_with_parent(signal.SIGTERM)
    adopt_orphans()
    is_isolated = leave_machine()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if not (child := os.fork()):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        end_with_parent(signal.SIGKILL)
        os._exit(_run(work, is_isolated=is_isolated))
    signal.signal(signal.SIGTERM, lambda *_: _kill(child))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if os.getppid() != parent:  # it died before `end_with_parent`
        _kill(child)
    _, status = os.waitpid(child, 0)
    _kill_rest()
    clean()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)


def _run(work: Callable[[bool], int], *, is_isolated: bool) -> int:
    try:
        return work(is_isolated)
    except BaseException:  # noqa: BLE001  the child must not run on in the guard's code
        return 1


def _kill_rest() -> None:
    """Kill all children until there are none: those of a killed child become this process's own."""
    while True:
        with suppress(OSError):
            for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split():
                _kill(int(pid))
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
