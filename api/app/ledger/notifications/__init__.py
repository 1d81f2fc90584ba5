"""Events, the rules and channels that they are told by, and the messages that tell them."""
