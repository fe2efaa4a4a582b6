"""The Grafana dashboards, from the catalogue.

`promql` writes queries that stay right with any number of exporters, `panels` makes panels of
them, `frame` lays panels out, and `overview`, `account` and `health` say what is on each dashboard.
"""
