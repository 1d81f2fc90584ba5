"""The pages for operators: schedules, workers, webhooks, dead letters, rejected rows."""
