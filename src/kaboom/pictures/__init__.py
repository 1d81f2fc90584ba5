"""Pictures as PNG: candles, curves and heat maps. Matplotlib is an extra, and is imported for the first picture."""
