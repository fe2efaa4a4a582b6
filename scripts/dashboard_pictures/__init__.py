"""Pictures of the dashboards, drawn by Grafana's own components in headless Chromium.

`frames.mjs` makes of a receiver's answers what Grafana's panels are given, `draw.jsx` draws them,
`tables.mjs` prints what tables hold, and `set-up` fetches the packages of Grafana for both.
"""
