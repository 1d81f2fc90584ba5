"""The pages: one module for the routes of each page."""
