"""Events, rules, channels, and the messages that are sent."""
