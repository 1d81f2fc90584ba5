"""The pages: a module each, with the routes of one place."""
