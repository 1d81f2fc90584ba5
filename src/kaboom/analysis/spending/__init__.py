"""The spending on AI models, and the answers that were paid for."""
