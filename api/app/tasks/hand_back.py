"""The word of a handler that cannot go on now: its chunk goes back to the queue."""


class HandBack(Exception):
    """Raise it from a handler, after reporting what is settled, to have the chunk run again after `pause_s` seconds.

    A chunk's try is not counted, so whoever raises it sees to it that this ends; a plan step's is.
    """

    def __init__(self, reason: str, *, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s
