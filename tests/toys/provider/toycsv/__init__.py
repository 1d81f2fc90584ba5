"""A toy: daily bars from a server that answers in CSV."""
