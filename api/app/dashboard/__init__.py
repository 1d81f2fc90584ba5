"""The dashboard: pages that ask the API as their viewer, and hold no logic of their own."""
