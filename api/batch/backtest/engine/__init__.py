"""The loops over bars that are also compiled, and their arrays; they know nothing of panels, results or strategies."""
