"""How `exporter.config_file` reads the configuration.

::

    text ─ tree ─┬─ walk ─ settings, values ─┐
                 └─ accounts ────────────────┼─ Config ─┬─ caveats
    environ ─ otel ──────────────────────────┘          └─ describe

`exporter.config_doc` makes `docs/configuration.md` from the same tables. Whatever goes
wrong on the way is collected in `problems`.
"""
