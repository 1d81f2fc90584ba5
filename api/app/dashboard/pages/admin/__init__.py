"""What admins look after: settings, users, tokens, the audit log."""
