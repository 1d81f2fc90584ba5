"""Models behind OpenRouter's API: requests, answers, costs and retries."""
