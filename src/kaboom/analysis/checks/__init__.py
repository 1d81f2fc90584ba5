"""Checks of an analyst's answer: an answer that fails a check is not shown as an analysis."""
