"""The configuration reference, from the table of settings: `docs/configuration.md`.

`python -m exporter.config.reference` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from exporter.config.kinds import DEFAULTS, Setting
from exporter.config.otel_env import VARIABLES
from exporter.config.settings import ACCOUNT_KEYS, SETTINGS
from exporter.config.tree import MAX_BYTES
from exporter.config.types import Config
from exporter.config.values import DURATIONS

_INTRODUCTION = f"""\
# Configuration

The exporter reads one YAML file, `run --config FILE`. Everything has a default except `accounts`,
so that this is a whole configuration:

```yaml
accounts:
  - name: prod
    api_key_env: BYTESPIKE_API_KEY
```

`config.yaml` at the top of the repository shows every setting with its default.
`bytespike-exporter check --config FILE` reports every mistake at once, each with its key path and
line, and then tries the configuration out.

- **Durations** are a whole number and a unit: {DURATIONS}.
- **Unknown keys and keys given twice** are errors, and so are YAML anchors, aliases and tags.
- **Texts** need no quotes unless YAML demands them: `name: no` and `name: 123` are names.
- **Size**: at most {MAX_BYTES >> 20} MiB of UTF-8.

## How keys are given

The value of an API key is never accepted in the file itself: it would be readable by whoever can
read the file, in version control and in every backup. A file that holds something that looks like
a key, even in a comment, is refused, and the message does not repeat it. Each account names
either

- `api_key_env`, an environment variable, which must be set when the exporter starts, or
- `api_key_file`, a file with the key and nothing else, such as a mounted secret. It is read again
  when it changes, so that a key can be replaced without a restart. A file that is not there yet is
  a warning.

## Reload

On SIGHUP the file is read again. A file with a mistake changes nothing, and the mistakes are
logged. The environment of a running process cannot change, so new variables need a restart.
"""

_ACCOUNTS = """\
## accounts

A list with one entry for each account.

"""

_OTEL = """\
## `OTEL_*` variables

What the file leaves out is taken from the standard OpenTelemetry variables. Where two names are
given, the first, which is for metrics only, wins. An empty variable counts as unset. A variable
that cannot be used is an error under its own name, as `http/json` is, which is not supported.

"""

_SECTIONS = {
    "gateway": "How the gateway is asked.",
    "poll": "How often. More frequent polls than the request budget allows come late.",
    "usage": "How usage is read and counted.",
    "transactions": "",
    "runway": "",
    "otlp": "Where metrics are sent.",
    "state": "",
    "http": "",
    "tap": "What is read off the applications' own traffic; off by default: [tap.md](tap.md).",
    "tap.proxy": "",
    "webhook": "Events that the gateway pushes: [tap.md](tap.md).",
    "log": "",
    "": "At the top of the file.",
}


def markdown() -> str:
    """The reference as Markdown."""
    rows = ([f"`{k.key}`", k.kind.name, k.default, k.about] for k in ACCOUNT_KEYS)
    parts = [_INTRODUCTION, _ACCOUNTS + _table(("key", "value", "default", "meaning"), rows)]
    parts += [_section(section, about) for section, about in _SECTIONS.items()]
    variables = (
        ["<br>".join(f"`{name}`" for name in v.names), f"`{v.place}`", v.about] for v in VARIABLES
    )
    parts.append(_OTEL + _table(("variable", "stands in for", "meaning"), variables))
    return "\n".join(parts)


def _section(section: str, about: str) -> str:
    settings = [setting for setting in SETTINGS if setting.section == section]
    rows = ([f"`{s.key}`", s.kind.name, default(s), s.about] for s in settings)
    heading = f"## {section or settings[0].key}\n\n" + (f"{about}\n\n" if about else "")
    return heading + _table(("key", "value", "default", "meaning"), rows)


def default(setting: Setting, config: Config = DEFAULTS) -> str:
    """What the document says of a default: the text of the value in `config`, or that none is."""
    text = setting.text(config)
    return "none" if text is None else f"`{text}`"


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(titles)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
