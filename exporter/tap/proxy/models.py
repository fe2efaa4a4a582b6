"""Which model answered: read off the first bytes of a response's body."""

from __future__ import annotations

import re
from typing import Final

import msgspec

MAX_MODEL: Final = 200
"""Characters of a model's name."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_COLON: Final = re.compile(rb"\s*:\s*")
_WRAPPERS: Final = frozenset((b'"message"', b'"response"'))
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
    within = False  # directly in an object that a wrapper names
    name = b""
    at = 0
    while (token := _TOKEN.search(text, at)) is not None:
        at = token.end()
        word = token[0]
        if word in b"{[":
            depth += 1
            if depth == 2:
                within = word == b"{" and name in wrappers
            name = b""
        elif word in b"}]":
            depth -= 1
            within = within and depth >= 2
        elif (colon := _COLON.match(text, at)) is not None:
            name, at = word, colon.end()
            if word == b'"model"' and (depth == 1 or (within and depth == 2)):
                return _text(text, at)
    return None


def _text(text: bytes, at: int) -> str | None:
    """The JSON string that begins at `at`, if it can be a name."""
    token = _TOKEN.match(text, at)
    if token is None or not token[0].startswith(b'"'):
        return None
    try:
        name = msgspec.json.decode(token[0], type=str)
    except msgspec.DecodeError:
        return None
    return name if 0 < len(name) <= MAX_MODEL and name.isprintable() else None
