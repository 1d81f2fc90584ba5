"""The pages for admins: settings, users, tokens, the audit log."""
