"""Every metric: the catalogue, the snapshot of their points, their Prometheus text."""
