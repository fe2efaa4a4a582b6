"""The quota tap: what it makes of what applications and their proxies report."""
