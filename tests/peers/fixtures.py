"""Pytest fixtures of the real peers."""
