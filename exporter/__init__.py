"""ByteSpike exporter: reads the gateway, counts exactly, tells the truth in metrics."""

__version__ = "0.2.0"
