"""When to ask the gateway for what, and what is done with the answers."""
