"""Tests of the OTLP export, against real receivers on loopback."""

import os

os.environ.setdefault(
    "GRPC_VERBOSITY", "NONE"
)  # before any test imports grpc, as the exporter does
