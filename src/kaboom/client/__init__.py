"""What `import kaboom` gives: the client of the API, and of a data folder."""
