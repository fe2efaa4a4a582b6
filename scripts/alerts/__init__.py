"""The alert rules: their one source, and what writes them.

::

    rule.py                   what a group, a recorded series and an alert are
    wallet.py … exporter.py   the rules, by topic
    render.py                 rules → the text of a Prometheus rule file, or of its Helm template
    thresholds.py             deploy/alerts/thresholds.yaml → numbers

`python -m scripts.alerts` prints the rule file.
"""

from __future__ import annotations

from scripts.alerts import exporter, ledger, limits, traffic, wallet
from scripts.alerts.rule import Group

GROUPS: tuple[Group, ...] = (
    wallet.GROUP,
    limits.GROUP,
    traffic.GROUP,
    ledger.GROUP,
    exporter.GROUP,
)
"""Every rule. Within a group a rule sees what those before it recorded."""
