"""What is computed from bars: indicators."""
