"""Points → the SDK's types → the official encoder → one receiver, and what became of them.

::

    exporter.py   a snapshot as requests of bounded size, within `otlp.timeout`
    sdk_points.py points → the SDK's public types → requests
    http.py       one request over HTTP; grpc.py over gRPC, imported only where it is chosen
    answers.py    what a receiver's answer means
    receiver.py   where requests go, and what may be shown of it and of what it says
"""

from exporter.otlp.answers import ExportResult
from exporter.otlp.exporter import OtlpExporter

__all__ = ["ExportResult", "OtlpExporter"]
