"""YAML text → a small tree of texts with line numbers.

Scalars stay texts: the setting decides what a text means, so that `no`, `1:30`, `0300` and
`2026-05-01` hold none of YAML's surprises. What a configuration does not need is refused:
anchors and aliases (a few lines of which can unfold into gigabytes), tags, several documents,
deep nesting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from exporter.config.problems import FILE, Problems, printable
from exporter.secrets import holds_key, looks_like_key

MAX_BYTES = 1 << 20
_MAX_DEPTH = 8
_MAX_NODES = 100_000
_MAX_KEY = 60
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_QUOTES = re.compile(r"(['\"])(?! or )(?:(?!\1).){4,}\1")
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

KEY_IN_FILE = (
    "holds an API key; a key is never written into this file, because whoever can read the "
    "file would have it; name an environment variable in api_key_env or a file in api_key_file"
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written. `refused`: a problem is already reported, so say no more."""

    line: int
    text: str
    quoted: bool = False
    refused: bool = False

    @property
    def null(self) -> bool:
        """Whether nothing is written there, or YAML's word for it."""
        return not (self.quoted or self.refused) and self.text in _NULLS


@dataclass(slots=True)
class Mapping:
    """Keys and their values, in the order of the file. `lines` are those of the keys."""

    line: int
    entries: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


Node = Scalar | Mapping | Sequence


def _line(mark: object) -> int:
    """The line of a mark, from 1. PyYAML has two classes of marks with nothing in common."""
    return int(getattr(mark, "line", -1)) + 1


def unwanted(text: str) -> bool:
    """Whether `text` holds a line break, another control character or half a character."""
    return _UNWANTED.search(text) is not None


def join(path: str, key: str) -> str:
    """The key path of `key` below `path`."""
    key = printable(key)
    key = key if len(key) <= _MAX_KEY else key[:_MAX_KEY] + "…"
    return f"{path}.{key}" if path else key


class _TooMuchError(Exception):
    """The file nests too deeply or holds too many values to be a configuration."""


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is still being read, and the key whose value comes next."""

    path: str
    node: Mapping | Sequence
    key: str | None = None
    refused: bool = False


class _Builder:
    """Takes YAML events one by one, without recursion, and keeps the tree in `root`.

    `key_lines` are the lines of values that were refused because they hold an API key.
    """

    def __init__(self, problems: Problems) -> None:
        self.root: Node | None = None
        self.key_lines: set[int] = set()
        self._problems = problems
        self._frames: list[_Frame] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """The next event of the stream."""
        line = _line(event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents == 2:
                    self._problems.add(FILE, "holds more than one YAML document", line)
            case yaml.AliasEvent():
                self._refuse_extras(event, line)
                self._place(Scalar(line, "", refused=True))
            case yaml.ScalarEvent():
                plain = self._refuse_extras(event, line)
                self._place(self._scalar(event, line, plain))
            case yaml.MappingStartEvent():
                self._refuse_extras(event, line)
                self._open(Mapping(line))
            case yaml.SequenceStartEvent():
                self._refuse_extras(event, line)
                self._open(Sequence(line))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._frames.pop()

    def _refuse_extras(self, event: yaml.Event, line: int) -> bool:
        """Report anchors, aliases and tags. Returns whether there are none."""
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise _TooMuchError
        problem = None
        if getattr(event, "anchor", None) is not None:
            problem = "anchors and aliases are not supported; write the value out"
        elif getattr(event, "tag", None) is not None:
            problem = "YAML tags are not supported; leave it out"
        if problem is not None:
            self._problems.add(self._path(), problem, line)
        return problem is None

    def _scalar(self, event: yaml.ScalarEvent, line: int, plain: bool) -> Scalar:
        text = str(event.value)
        problem = None
        if looks_like_key(text):
            problem = KEY_IN_FILE
            self.key_lines.update(range(line, _line(event.end_mark) + 1))
        elif unwanted(text):
            problem = "holds a line break or another control character"
        if problem is not None:
            self._problems.add(self._path(), problem, line)
        refused = problem is not None or not plain
        return Scalar(line, text, quoted=bool(event.style), refused=refused)

    def _path(self) -> str:
        """Where the next node belongs."""
        if not self._frames:
            return FILE
        frame = self._frames[-1]
        if isinstance(frame.node, Sequence):
            return f"{frame.path}[{len(frame.node.items)}]"
        return join(frame.path, frame.key) if frame.key is not None else frame.path or FILE

    def _open(self, node: Mapping | Sequence) -> None:
        path = self._path() if self._frames else ""
        self._place(node)
        self._frames.append(_Frame(path, node))
        if len(self._frames) > _MAX_DEPTH:
            raise _TooMuchError

    def _place(self, node: Node) -> None:
        if not self._frames:
            self.root = node if self.root is None else self.root
            return
        frame = self._frames[-1]
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
        elif frame.key is None:
            self._take_key(frame, node)
        else:
            if not frame.refused:
                frame.node.entries[frame.key] = node
            frame.key, frame.refused = None, False

    def _take_key(self, frame: _Frame, node: Node) -> None:
        """`node` is a key; its value, which comes next, is dropped where the key is refused."""
        assert isinstance(frame.node, Mapping)
        frame.key, frame.refused = "?", True
        if not isinstance(node, Scalar):
            self._problems.add(frame.path or FILE, "a key must be a single word", node.line)
        elif not node.refused:
            frame.key = node.text
            first = frame.node.lines.setdefault(node.text, node.line)
            frame.refused = node.text in frame.node.entries
            if frame.refused:
                message = f"given twice; the first is in line {first}"
                self._problems.add(join(frame.path, node.text), message, node.line)


def read(text: str, problems: Problems) -> Node | None:
    """The tree of `text`; None where there is nothing to read, and then `problems` say why."""
    text = text.removeprefix("\ufeff")
    builder = _Builder(problems)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        _explain(error, text, problems)
        return None
    except _TooMuchError:
        problems.add(FILE, "nests too deeply or holds too many values to be a configuration")
        return None
    except (ValueError, OverflowError):
        problems.add(FILE, "holds something that is not a character")
        return None
    for number, line in enumerate(text.splitlines(), 1):
        if number not in builder.key_lines and holds_key(line):
            problems.add(FILE, f"a comment {KEY_IN_FILE}", number)
    return builder.root


def _explain(error: yaml.YAMLError, text: str, problems: Problems) -> None:
    """Report a syntax error without the text around it, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        problems.add(FILE, "is not YAML: holds a character that YAML does not allow")
        return
    lines = text.splitlines()
    source = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in source[: len(source) - len(source.lstrip())]:
        problem = "a tab indents the line; YAML wants spaces"
    else:
        problem = _QUOTES.sub("…", str(getattr(error, "problem", None) or "syntax error"))
    problems.add(FILE, f"is not YAML: {problem}", _line(mark))
