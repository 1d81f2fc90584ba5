"""The exit codes of the command line."""

from enum import IntEnum


class Exit(IntEnum):
    """An exit code."""

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    AUTH = 3
    NOT_FOUND = 4
    CONFLICT = 5
    RATE_LIMITED = 6
    UNAVAILABLE = 7
    PARTIAL = 8
    TIMED_OUT = 124
    INTERRUPTED = 130


#: The exit code of a command that waited for a job, by the job's final state.
BY_STATUS = {
    "completed": Exit.OK,
    "partial": Exit.PARTIAL,
    "failed": Exit.JOB_FAILED,
    "cancelled": Exit.JOB_FAILED,
}

_BY_HTTP = {401: Exit.AUTH, 403: Exit.AUTH, 404: Exit.NOT_FOUND, 409: Exit.CONFLICT, 429: Exit.RATE_LIMITED}


def exit_for_status(status: int) -> Exit:
    """Return the exit code of an HTTP error."""
    if status >= 500:
        return Exit.UNAVAILABLE
    return _BY_HTTP.get(status, Exit.USAGE)


class CliError(Exception):
    """A command that ends with a message on stderr and an exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
