"""J-Quants, the API of the Tokyo exchange's own group, version 2; for the personal use of the key's holder."""
