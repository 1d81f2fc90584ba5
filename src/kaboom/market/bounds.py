"""Bounds of requests, and the trading unit."""

#: The Tokyo exchange lists about 4,000 ordinary shares.
MAX_SYMBOLS = 4_000
#: Twenty years of sessions.
MAX_LOOKBACK = 5_000
#: Points of one write to InfluxDB, if the request does not say how many.
DEFAULT_CHUNK_SIZE = 5_000
#: More days than any file of bars has.
MAX_OWN_DAYS = 100_000
#: Shares in one trading unit (JPX unified it on 2018-10-01).
LOT = 100
