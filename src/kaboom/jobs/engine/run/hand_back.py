"""The exception of a handler that cannot continue now: its chunk goes back to the queue."""


class HandBack(Exception):
    """Raise it from a handler to run the chunk again after `pause_s` seconds; report the finished items first.

    It does not count as an attempt of a chunk, so the handler must limit its pauses; of a plan step it does count.
    For a store that is unavailable raise its `StoreError` instead.
    """

    def __init__(self, reason: str, *, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s
