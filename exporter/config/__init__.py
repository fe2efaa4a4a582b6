"""How `exporter.config.load` reads the configuration.

::

    text ─ tree ─┬─ walk ─ settings, values ─┐
                 └─ accounts ────────────────┼─ Config ─┬─ caveats
    environ ─ otel ──────────────────────────┘          └─ describe

`exporter.config.reference` makes `docs/configuration.md` from the same tables. Whatever goes
wrong on the way is collected in `problems`.
"""
