"""Points → the SDK's types → the official encoder → one receiver, and what became of them.

::

    exporter.py   a snapshot → the SDK's public types → requests, within `otlp.timeout`
    http.py       one request over HTTP; grpc.py over gRPC, imported only where it is chosen
    receiver.py   where requests go, what the answers mean, and what may be shown of them
"""

from exporter.otlp.exporter import OtlpExporter
from exporter.otlp.receiver import ExportResult

__all__ = ["ExportResult", "OtlpExporter"]
