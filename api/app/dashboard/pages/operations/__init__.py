"""What operators look after: schedules, workers, webhooks, dead letters, rejected rows."""
