"""Points → the SDK's types → the official encoder → one receiver, and what became of them."""

from exporter.otlp.exporter import OtlpExporter
from exporter.otlp.receiver import ExportResult

__all__ = ["ExportResult", "OtlpExporter"]
