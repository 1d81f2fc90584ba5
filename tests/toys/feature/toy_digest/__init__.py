"""A toy: a digest of a market, as a kind of job without chunks."""
