"""Tests of the OTLP export, against real receivers on loopback."""
