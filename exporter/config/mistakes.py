"""What is wrong with a configuration: every problem, one line each, and never a secret."""

from __future__ import annotations

import re

from exporter.errors import ConfigError
from exporter.secrets import printable

_LIMIT = 100
_LONGEST_QUOTE = 40
_LONGEST_SEARCHED = 400  # the pattern below takes the square of a text's length
_OPAQUE = re.compile(r"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}")


class Mistake(ValueError):
    """A text that cannot be used. Its message is what follows the key path."""


def quoted(text: str) -> str:
    """A value of the file for a message: printable, shortened, in quotes.

    A long word with digits in it may be a credential that was put in the wrong place.
    """
    shown = _OPAQUE.sub("…", printable(text)[:_LONGEST_SEARCHED])
    return f'"{shown if len(shown) <= _LONGEST_QUOTE else shown[:_LONGEST_QUOTE] + "…"}"'


class Problems:
    """Collects problems. The first hundred are kept, further ones only counted."""

    def __init__(self) -> None:
        self._found: list[tuple[float, str]] = []
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether further problems are only counted."""
        return len(self._found) >= _LIMIT

    def add(self, path: str, message: str, line: int = 0) -> None:
        """Note a problem of a key path, or of the file as a whole where that is "".

        `line` counts from 1; 0 where there is none, as in the environment.
        """
        if self.full:
            self._more += 1
            return
        where = f" (line {line})" if line else ""
        text = printable(f"{path or 'configuration'}: {message}{where}")
        self._found.append((line or float("inf"), text))

    def error(self) -> ConfigError:
        """All of them, in the order of the file, those of the environment last."""
        lines = [text for _, text in sorted(self._found, key=lambda found: found[0])]
        if self._more:
            lines.append(f"configuration: {self._more} further problems")
        return ConfigError(tuple(dict.fromkeys(lines)))
