"""Principals, the ways to authenticate a request, and the public paths."""
