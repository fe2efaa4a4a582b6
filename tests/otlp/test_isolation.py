"""What an export leaves behind in the process."""

from __future__ import annotations

import subprocess
import sys

from tests.otlp.receivers import HttpReceiver

EXPORT_ONCE = """
import sys
from exporter import config
from exporter.otlp import OtlpExporter
from tests.otlp import samples

sender = OtlpExporter(config.Otlp(endpoint=sys.argv[1]), samples.RESOURCE)
print(sender.export(samples.snapshot()).outcome, "grpc" in sys.modules)
sender.close()
"""


def test_an_export_over_http_does_not_import_grpc() -> None:
    with HttpReceiver() as receiver:
        done = subprocess.run(
            [sys.executable, "-c", EXPORT_ONCE, receiver.url],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.split() == ["success", "False"]
    assert done.stderr == ""
