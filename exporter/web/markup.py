"""HTML from small functions: a text is escaped unless it is already `Html`.

Names come from the gateway and from other people's keys, so whatever could reorder or hide
text on the page (control characters, directional overrides) is made visible here as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

_VOID = frozenset({"meta", "link"})
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LONGEST = 160
"""Characters of a name that the page shows; the rest is an ellipsis."""


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
"""A child of a tag: text, Html, nothing, or several of these."""


def text(value: str) -> Html:
    """`value` as HTML text: escaped, control and directional characters shown as `�`."""
    return value if isinstance(value, Html) else Html(escape(_UNSAFE.sub("\ufffd", value)))


def join(children: Child) -> Html:
    """Children in a row."""
    if children is None:
        return Html("")
    if isinstance(children, str):
        return text(children)
    return Html("".join(join(child) for child in children))


def tag(element: str, /, *children: Child, **attributes: str | bool | None) -> Html:
    """`<element …>children</element>`.

    An attribute that is None or False is left out, True has no value; `class_` is `class`,
    and an underscore inside a name is a hyphen.
    """
    opening = element + "".join(_attribute(key, value) for key, value in attributes.items())
    if element in _VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children)}</{element}>")


def _attribute(key: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(value)}"'


def clip(value: str, longest: int) -> str:
    """`value`, or its beginning and an ellipsis: at most `longest` characters."""
    return value if len(value) <= longest else value[: longest - 1] + "…"


def name(value: str) -> Html:
    """A name that somebody else chose, isolated from the direction of the text around it."""
    shown = clip(value, _LONGEST)
    return tag("bdi", shown or "(no name)", class_="name", title=shown)
