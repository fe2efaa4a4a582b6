"""What is wrong with a configuration: every problem, one line each, and never a secret."""

from __future__ import annotations

import re

from exporter.errors import ConfigError
from exporter.secrets import redact

FILE = "configuration"
"""Stands for the key path in problems of the file as a whole."""

_LIMIT = 100
_LONGEST_QUOTE = 40
_OPAQUE = re.compile(r"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}")


def printable(text: str) -> str:
    """`text` without keys, and with what cannot be printed on one line written as an escape."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in redact(text)
    )


def quoted(text: str) -> str:
    """A value of the file for a message: printable, shortened, in quotes.

    A long word with digits in it may be a credential that was put in the wrong place.
    """
    shown = _OPAQUE.sub("…", printable(text))
    return f'"{shown if len(shown) <= _LONGEST_QUOTE else shown[:_LONGEST_QUOTE] + "…"}"'


class Problems:
    """Collects problems while the configuration is read.

    Only the first hundred are kept: past those, more of them help nobody.
    """

    def __init__(self) -> None:
        self._found: list[tuple[int, str]] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether further problems are only counted."""
        return len(self._found) >= _LIMIT

    def add(self, path: str, message: str, line: int = 0) -> None:
        """One more problem. `line` counts from 1; 0 where there is none (the environment)."""
        if self.full:
            self._more += 1
            return
        where = f" (line {line})" if line else ""
        self._found.append((line, printable(f"{path}: {message}{where}")))

    def error(self) -> ConfigError:
        """All of them, in the order of the file, those of the environment last."""
        ordered = sorted(self._found, key=lambda found: found[0] or float("inf"))
        lines = list(dict.fromkeys(message for _, message in ordered))
        if self._more:
            lines.append(f"{FILE}: {self._more} further problems")
        return ConfigError(tuple(lines))
