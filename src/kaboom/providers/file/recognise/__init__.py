"""Recognising the content of a file: its encoding, header, dates, numbers and interval; pure."""
