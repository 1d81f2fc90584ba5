"""A fake OpenRouter for tests and trials: it knows no market, costs nothing, and misbehaves as its models are named."""
