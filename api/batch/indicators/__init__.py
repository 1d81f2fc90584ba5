"""Technical indicators: a table of what there is, the formulas, and how they are computed over bars."""
