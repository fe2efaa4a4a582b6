"""What an export leaves behind in the process."""

from __future__ import annotations

import subprocess
import sys

from tests.otlp.receivers import HttpReceiver

EXPORT_ONCE = """
import asyncio, sys
from exporter.config import types as config
from exporter.otlp import OtlpExporter
from tests.otlp import samples

async def export():
    sender = OtlpExporter(config.Otlp(endpoint=sys.argv[1]), samples.RESOURCE)
    result = await sender.export(samples.snapshot())
    await sender.close()
    print(result.outcome, sorted({"grpc", "requests", "urllib3"} & sys.modules.keys()))

asyncio.run(export())
"""


def test_an_export_over_http_loads_nothing_large_that_it_does_not_need() -> None:
    with HttpReceiver() as receiver:
        done = subprocess.run(
            [sys.executable, "-c", EXPORT_ONCE, receiver.url],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.split() == ["success", "[]"]
    assert done.stderr == ""
