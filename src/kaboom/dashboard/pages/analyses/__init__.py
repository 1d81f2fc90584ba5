"""The pages of analyses: the list, the form, what would be sent, and the report."""
