"""Child processes that handle untrusted input or run code of users: their start, limits and isolation."""
