"""YAML text → a small tree of texts with line numbers.

Scalars stay texts: the setting decides what a text means, so that `no`, `1:30`, `0300` and
`2026-05-01` hold none of YAML's surprises. What a configuration does not need is refused:
anchors and aliases (a few lines of which can unfold into gigabytes), tags, several documents,
deep nesting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml
from msgspec import Struct

from exporter.config.mistakes import Problems
from exporter.secrets import holds_key, looks_like_key, printable

MAX_BYTES = 1 << 20
_MAX_DEPTH = 8
_MAX_NODES = 100_000
_MAX_KEY = 60
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_QUOTES = re.compile(r"(['\"])(?! or )(?:(?!\1).){4,}\1")
_JSON_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

KEY_IN_FILE = (
    "holds an API key; a key is never written into this file, because whoever can read the "
    "file would have it; name an environment variable in api_key_env or a file in api_key_file"
)


class Node(Struct, frozen=True):
    """A text, mapping or list. `line` is that of its key, where it has one.

    `refused`: a problem is already reported, so say no more.
    """

    line: int
    value: str | dict[str, Node] | list[Node]
    quoted: bool = False
    refused: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is written there, or YAML's word for it."""
        return not self.quoted and self.value in ("", "~", "null", "Null", "NULL")


class _TooMuchError(Exception):
    """The file nests too deeply or holds too many values to be a configuration."""


def unwanted(text: str) -> bool:
    """Whether `text` holds a line break, another control character or half a character."""
    return _UNWANTED.search(text) is not None


def _line(mark: object) -> int:
    """The line of a mark, from 1. PyYAML has two classes of marks with nothing in common."""
    return int(getattr(mark, "line", -1)) + 1


def join(path: str, key: str) -> str:
    """The key path of `key` below `path`."""
    key = printable(key)
    key = key if len(key) <= _MAX_KEY else key[:_MAX_KEY] + "…"
    return f"{path}.{key}" if path else key


def read(text: str, problems: Problems) -> Node | None:
    """The tree of `text`; None where there is none, and then `problems` say why, or it is empty."""
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):  # JSON writes a character beyond U+FFFF as two escapes
        text = _JSON_PAIR.sub(lambda pair: str(json.loads(f'"{pair[0]}"')), text)
    tree = _Tree(text, problems)
    try:
        root = tree.document()
    except yaml.YAMLError as error:
        _explain(error, text, problems)
        return None
    except _TooMuchError:
        problems.add("", "nests too deeply or holds too many values to be a configuration")
        return None
    except (ValueError, OverflowError):
        problems.add("", "holds something that is not a character")
        return None
    for number, line in enumerate(text.splitlines(), 1):
        if number not in tree.key_lines and holds_key(line):
            problems.add("", f"a comment {KEY_IN_FILE}", number)
    return root


class _Tree:
    """Makes nodes of YAML's events. `key_lines` are lines whose API key is already reported."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.key_lines: set[int] = set()
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._problems = problems
        self._nodes = 0

    def document(self) -> Node | None:
        """The first document. Further ones are a problem."""
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                node = self._node(next(self._events), "")
                if root is not None:
                    line = _line(event.start_mark)
                    self._problems.add("", "holds more than one YAML document", line)
                root = root or node
        return root

    def _node(self, event: yaml.Event, path: str, line: int = 0, depth: int = 1) -> Node:
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _TooMuchError
        line = line or _line(event.start_mark)
        problem = ""
        if getattr(event, "anchor", None) is not None:
            problem = "anchors and aliases are not supported; write the value out"
        elif getattr(event, "tag", None) is not None:
            problem = "YAML tags are not supported; leave it out"
        node = Node(line, "", refused=True)
        if isinstance(event, yaml.MappingStartEvent):
            node = Node(line, self._mapping(path, depth), refused=bool(problem))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(line, self._list(path, depth), refused=bool(problem))
        elif isinstance(event, yaml.ScalarEvent):
            problem = self._problem_of(event) or problem
            node = Node(line, event.value, bool(event.style), refused=bool(problem))
        if problem:
            self._problems.add(path, problem, line)
        return node

    def _problem_of(self, event: yaml.ScalarEvent) -> str:
        if looks_like_key(event.value):
            self.key_lines.update(range(_line(event.start_mark), _line(event.end_mark) + 1))
            return KEY_IN_FILE
        return "holds a line break or another control character" if unwanted(event.value) else ""

    def _list(self, path: str, depth: int) -> list[Node]:
        items: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, f"{path}[{len(items)}]", depth=depth + 1))
        return items

    def _mapping(self, path: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, path, depth=depth + 1)
            name = key.value if isinstance(key.value, str) and not key.refused else "?"
            below = join(path, name)
            node = self._node(next(self._events), below, key.line, depth + 1)
            if not isinstance(key.value, str):
                self._problems.add(path, "a key must be a single word", key.line)
            elif name in entries:
                first = entries[name].line
                self._problems.add(below, f"given twice; the first is in line {first}", key.line)
            elif not key.refused:
                entries[name] = node
        return entries


def _explain(error: yaml.YAMLError, text: str, problems: Problems) -> None:
    """Report a syntax error without the text around it, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        problems.add("", "is not YAML: holds a character that YAML does not allow")
        return
    lines = text.splitlines()
    source = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in source[: len(source) - len(source.lstrip())]:
        problem = "a tab indents the line; YAML wants spaces"
    else:
        problem = _QUOTES.sub("…", str(getattr(error, "problem", None) or "syntax error"))
    problems.add("", f"is not YAML: {problem}", _line(mark))
