"""Recognising what a file holds: its encoding, header, dates, numbers and interval; pure."""
