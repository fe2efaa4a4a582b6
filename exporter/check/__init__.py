"""`check`: what a person runs first. Tries everything once, says what is wrong and what to do."""

from exporter.check.command import check

__all__ = ["check"]
