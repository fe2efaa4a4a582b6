"""The quota tap: the envelope, read off the applications' own traffic."""
