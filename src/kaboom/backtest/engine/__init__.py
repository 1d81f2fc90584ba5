"""The loops over bars that are also compiled, and their arrays; they do not use panels, results or strategies."""
