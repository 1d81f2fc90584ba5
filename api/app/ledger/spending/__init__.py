"""What is spent on models, and the answers that were paid for."""
