"""Yahoo's chart data, requested directly; for personal use, and off until the user turns it on."""
