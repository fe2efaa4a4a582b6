"""What docs/tap.md tells those who send datagrams is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.gateway.readings import Source
from exporter.tap.datagram import MAX_BYTES, MAX_MODEL, MEMBERS, decode
from exporter.tap.listener import BURST, RATE
from exporter.traffic import TapOutcome
from tests.tap.reports import NOW

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "tap.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def section(page: str) -> str:
    """The section on the datagram."""
    return page.partition("\n## The datagram\n")[2].partition("\n## ")[0]


def test_the_datagram_that_is_shown_has_every_member_and_is_read(section: str) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    assert set(re.findall(r'"([a-z-]+)":', shown)) == MEMBERS
    assert decode(shown.encode(), NOW).model == "claude-sonnet-4-6"


def test_members_sources_outcomes_and_bounds_are_those_of_the_code(section: str) -> None:
    for word in (*MEMBERS, *Source, *TapOutcome):
        assert f"`{word}`" in section
    assert f"at most {MAX_BYTES:,} bytes" in section
    assert f"at most {MAX_MODEL} printable characters" in section
    assert f"more than {RATE:,.0f} a second" in section
    assert f"After a quiet second, {BURST:,.0f} are read" in section


def test_the_lines_for_nginx_are_those_of_the_snippet(page: str) -> None:
    [lines] = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    snippet = (ROOT / "deploy" / "tap" / "nginx.conf").read_text(encoding="utf-8")
    assert lines.splitlines()
    for line in lines.splitlines():
        assert line in snippet
