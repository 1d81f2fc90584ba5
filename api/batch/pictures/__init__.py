"""Pictures as PNG: candles, curves and heat maps. Matplotlib is an extra, and is loaded with the first picture."""
