"""Tests of the exporter; `tests.peers` starts the real receivers."""
