"""Facts that analysts are given: numbers with the id of their source row."""
