"""Who is asking: principals, how a request proves one, and which paths are public."""
