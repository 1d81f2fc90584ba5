"""The provider of made-up bars: deterministic and offline."""
