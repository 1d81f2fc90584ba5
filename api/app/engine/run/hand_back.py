"""The word of a handler that cannot go on now: its chunk goes back to the queue."""


class HandBack(Exception):
    """Raise it from a handler, after reporting what is settled, to have the chunk run again after `pause_s` seconds.

    A chunk's try is not counted, so its handler must see to it that the pauses end; a plan step's try is counted.
    A store that is away needs no `HandBack`: raise its `StoreError`.
    """

    def __init__(self, reason: str, *, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s
