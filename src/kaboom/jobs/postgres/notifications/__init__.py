"""Events, the rules and channels for them, and the messages that report them."""
