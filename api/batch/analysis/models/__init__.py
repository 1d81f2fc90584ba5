"""Models behind OpenRouter's API: what is sent, what comes back, what it costs, and when it is asked again."""
