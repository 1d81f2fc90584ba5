"""Strategies of users in workers: each runs in a process of its own, and only its decisions come out."""
