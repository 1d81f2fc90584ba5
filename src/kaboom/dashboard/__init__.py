"""The dashboard: its pages call the API with the rights of their viewer, and contain no business logic."""
