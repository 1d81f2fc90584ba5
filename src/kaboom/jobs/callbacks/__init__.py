"""Webhooks of jobs: which URLs are allowed, how they are signed, sent and retried."""
