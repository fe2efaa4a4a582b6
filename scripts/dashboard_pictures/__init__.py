"""Pictures of the dashboards, for readers who have no Grafana at hand.

::

    replay.py    hours of simulated gateways and real exporters in seconds, into a real receiver
    grafana.py   what Grafana does to a query: variables, steps, tables joined by their labels
    units.py     how Grafana writes a value
    chart.py     series over time as SVG
    panel.py     a panel as HTML
    page.py      a dashboard as HTML, on the grid of its JSON

`python -m scripts.dashboard_pictures` writes `docs/images/dashboard-*.png`.
"""
