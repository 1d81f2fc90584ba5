"""Strategies that come with Kaboom, and their registry."""
