"""Checks on what an analyst answered: nothing that fails one is shown as an analysis."""
