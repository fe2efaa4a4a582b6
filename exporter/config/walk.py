"""Walks the tree of the file along the table of settings."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.config.kinds import Kind, Pairs, Setting, Words
from exporter.config.problems import FILE, Problems
from exporter.config.settings import SETTINGS
from exporter.config.tree import KEY_IN_FILE, Mapping, Node, Scalar, Sequence, join

Values = dict[str, object]
"""Values that were given, by their place in `Config`."""

ACCOUNTS = "accounts"

_Known = dict[str, "Setting | _Known"]


def _known() -> _Known:
    """What may stand at the top: a setting, or what may stand in a section."""
    known: _Known = {}
    for setting in SETTINGS:
        section = known
        for name in setting.section.split(".") if setting.section else ():
            inner = section.setdefault(name, {})
            assert isinstance(inner, dict)
            section = inner
        section[setting.key] = setting
    return known


_KNOWN = _known()


def read_settings(root: Mapping, problems: Problems) -> Values:
    """Every setting that the file gives, accounts left aside."""
    given: Values = {}
    refuse_unknown(root, "", (ACCOUNTS, *_KNOWN), problems)
    _entries("", _KNOWN, root, given, problems)
    return given


def _entries(path: str, known: _Known, node: Mapping, given: Values, problems: Problems) -> None:
    for key, value in node.entries.items():
        match known.get(key):
            case Setting() as setting:
                _take(setting, value, given, problems)
            case dict() as section:
                _section(join(path, key), section, value, given, problems)


def _section(name: str, known: _Known, node: Node, given: Values, problems: Problems) -> None:
    """The settings of one section. A section with nothing in it leaves everything out."""
    if isinstance(node, Mapping):
        refuse_unknown(node, name, known, problems)
        _entries(name, known, node, given, problems)
    elif not _says_nothing(node):
        problems.add(name, f"is not a mapping of settings ({', '.join(known)})", node.line)


def _says_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and (node.null or node.refused)


def _take(setting: Setting, node: Node, given: Values, problems: Problems) -> None:
    if isinstance(setting.kind, Pairs):
        given[setting.place] = _pairs(setting.kind, setting.path, node, problems)
        return
    if isinstance(setting.kind, Words):
        given[setting.place] = _words(setting.kind, setting.path, node, problems)
        return
    for value in read_scalar(setting.kind, setting.path, node, problems):
        given[setting.place] = value


def read_scalar(kind: Kind, path: str, node: Node, problems: Problems) -> Iterable[object]:
    """The value of a setting, alone; nothing where there is a problem instead."""
    if not isinstance(node, Scalar):
        shape = "mapping" if isinstance(node, Mapping) else "list"
        problems.add(path, f"is a {shape}; write one value ({kind.name})", node.line)
    elif node.null:
        problems.add(path, "has no value; write one, or leave the key out", node.line)
    elif node.refused:
        return ()
    elif node.quoted and kind.bare:
        problems.add(path, f"is a text; take the quotes away ({kind.name})", node.line)
    else:
        try:
            return (kind.parse(node.text),)
        except ValueError as error:
            problems.add(path, str(error), node.line)
    return ()


def _pairs(kind: Pairs, path: str, node: Node, problems: Problems) -> dict[str, object]:
    """A mapping from names to texts."""
    pairs: dict[str, object] = {}
    if not isinstance(node, Mapping):
        if not _says_nothing(node):
            problems.add(path, f"is not a {kind.name}", node.line)
        return pairs
    for key, value in node.entries.items():
        try:
            if not isinstance(value, Scalar) or value.null:
                raise ValueError("is not a text")
            if value.refused:
                continue
            name, content = kind.entry(key, value.text)
            if name in pairs:
                raise ValueError("is given twice")
            pairs[name] = content
        except ValueError as error:
            problems.add(join(path, key), str(error), value.line)
    return pairs


def _words(kind: Words, path: str, node: Node, problems: Problems) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(node, Sequence):
        if not _says_nothing(node):
            problems.add(path, f"is not a {kind.name}", node.line)
        return ()
    found: list[str] = []
    for index, item in enumerate(node.items):
        found += map(str, read_scalar(kind.item, f"{path}[{index}]", item, problems))
    return tuple(found)


def refuse_unknown(node: Mapping, path: str, known: Iterable[str], problems: Problems) -> None:
    """Report the keys of `node` that mean nothing, and what may have been meant."""
    words = tuple(known)
    for key in node.entries:
        if key in words:
            continue
        if names_key(key):
            problems.add(join(path, key), KEY_IN_FILE, node.lines[key])
            continue
        close = None if problems.full else _closest(key, words)
        hint = f"; did you mean {close}?" if close else f"; known are {', '.join(words)}"
        problems.add(join(path, key) or FILE, f"is not a setting{hint}", node.lines[key])


def _closest(key: str, words: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 (0.15 MiB, only for mistakes)

    return next(iter(get_close_matches(key, words, n=1)), None)


def names_key(key: str) -> bool:
    """Whether a setting of this name would hold an API key itself."""
    return key.lower().replace("-", "").replace("_", "") == "apikey"
