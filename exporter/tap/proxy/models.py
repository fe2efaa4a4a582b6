"""Which model answered: read off the first bytes of a response's body."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from exporter.secrets import looks_like_key, redact
from exporter.tap.datagram import MAX_MODEL

_TOKEN: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:\s*)?|\\?\Z)|[{}\[\]]', re.DOTALL)
"""A string, with the colon that makes it a member's name, or what is there of one; a bracket."""

_WRAPPERS: Final = frozenset((b"message", b"response"))
"""Members of an event that hold the response as it begins: Anthropic's, OpenAI's responses."""


def model_of_json(body: bytes) -> str | None:
    """The top-level `model` of a JSON object of which at least the beginning is given."""
    return _find(body, frozenset())


def model_of_events(body: bytes) -> str | None:
    """The `model` in the first event, on the top level or in the response that it holds."""
    for line in body.split(b"\n"):
        if line.startswith(b"data:"):
            return _find(line, _WRAPPERS)
    return None


def has_whole_event(body: bytes) -> bool:
    """Whether the first line of data has arrived."""
    at = 0 if body.startswith(b"data:") else body.find(b"\ndata:")
    return at >= 0 and body.find(b"\n", at + 1) >= 0


def _find(text: bytes, wrappers: frozenset[bytes]) -> str | None:
    depth = 0
    within = False  # in an object that a wrapper names
    name = b""
    value_at = -1
    for token in _TOKEN.finditer(text):
        if value_at >= 0:
            return _name(token[0]) if token.start() == value_at else None
        if token[1] is None:
            bracket = token[0]
            if bracket in b"{[":
                depth += 1
                if depth == 2:
                    within = bracket == b"{" and name in wrappers
            else:
                depth -= 1
            name = b""
        elif token[2] is not None:
            name = token[1]
            if name == b"model" and (depth == 1 or (within and depth == 2)):
                value_at = token.end()
    return None


def _name(token: bytes) -> str | None:
    """What a JSON string says, if it can be a name."""
    try:
        name = msgspec.json.decode(token, type=str)
    except msgspec.DecodeError:
        return None
    if not 0 < len(name) <= MAX_MODEL or not name.isprintable():
        return None
    return None if looks_like_key(name) or redact(name) != name else name
