"""What pages say: a module each, every text in English and Japanese."""
