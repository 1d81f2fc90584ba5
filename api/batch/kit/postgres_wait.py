"""A connection to PostgreSQL that never waits for ever: a server that froze keeps its sockets open and says nothing."""

from typing import Any

import psycopg
from psycopg import errors

#: The server itself ends a statement after 5 s; what has no answer after this long comes from a server that hangs.
_ANSWER_S = 7.0


class BoundedConnection(psycopg.AsyncConnection[Any]):
    """A connection that is closed where an answer does not come in time, or nobody waits for it any more.

    psycopg would ask the server to cancel the statement and wait for its answer, 5 s each.
    """

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109  psycopg's signature
        """Wait for an answer."""
        try:
            return await psycopg.waiting.wait_async(gen, self.pgconn.socket, interval, timeout=timeout or _ANSWER_S)
        except errors._WaitTimeout:  # noqa: SLF001  raised by the public function above
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise errors.OperationalError(f"no answer came within {_ANSWER_S:g} s") from None
        except BaseException:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
