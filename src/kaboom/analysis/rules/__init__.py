"""The rules analyst: a local, deterministic analyst with the same output as a model."""
