"""A fake OpenRouter for tests and trials: it costs nothing, and the name of a model chooses how it misbehaves."""
