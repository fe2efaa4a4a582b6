"""ByteSpike exporter: reads the gateway, counts exactly, tells the truth in metrics."""

from importlib.metadata import version

__version__ = version("bytespike-exporter")
