"""The example for Envoy, which no test runs, is at least of the form that it has to be."""

from __future__ import annotations

import json
import socket
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.gateway.readings import Envelope, Observation, Source
from exporter.tap.datagram import decode
from tests.clock import NOW
from tests.tap.hook_stage import MASKED
from tests.tap.reports import DOCUMENTED, READ

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "tap" / "envoy.yaml"


@pytest.fixture(scope="module")
def log_format() -> dict[str, str]:
    """The members of a line, as the access log is told to write them."""
    example: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    [listener] = example["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    written: dict[str, str] = manager["access_log"][0]["typed_config"]["log_format"]["json_format"]
    return written


def test_it_writes_every_member_but_the_model_and_no_other(log_format: dict[str, str]) -> None:
    assert set(log_format) == DOCUMENTED.keys() - {"model"}
    assert decode(json.dumps(log_format | {"key": MASKED, "status": 200, "at": "-"}).encode(), NOW)


def test_each_header_stands_under_its_own_name(log_format: dict[str, str]) -> None:
    for name, operator in log_format.items():
        if name.startswith("x-"):
            assert operator == f"%RESP({name.upper()})%"
    assert log_format["source"] == Source.LOG


def test_its_sender_makes_one_datagram_of_each_line(tmp_path: Path) -> None:
    comments = [line[4:] for line in EXAMPLE.read_text("utf-8").splitlines() if line[:4] == "#   "]
    script = textwrap.dedent("\n".join(comments))
    log = tmp_path / "bytespike.json"
    lines = (DOCUMENTED, {"key": MASKED, "status": 429, "x-ratelimit-limit": "-"})
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tap:
        tap.bind(("127.0.0.1", 0))
        tap.settimeout(30)
        for shipped, here in (
            ("tail -n 0 -F /var/log/envoy/bytespike.json", f"cat {log}"),
            ("127.0.0.1/8789", f"127.0.0.1/{tap.getsockname()[1]}"),
        ):
            assert shipped in script
            script = script.replace(shipped, here)
        subprocess.run(["bash", "-c", script], check=True)
        assert decode(tap.recv(4096), NOW) == READ
        assert decode(tap.recv(4096), NOW) == Observation(Source.LOG, 429, Envelope(NOW, MASKED))
