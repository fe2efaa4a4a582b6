"""How `exporter.config_file` reads the configuration.

::

    text ─ tree ─┬─ walk ─ settings, values ─┐
                 └─ accounts ────────────────┼─ Config ─┬─ caveats
    environ ─ otel ──────────────────────────┘          ├─ describe
                                                        └─ document (docs/configuration.md)

Whatever goes wrong on the way is collected in `problems`.
"""
