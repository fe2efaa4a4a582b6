"""What docs/tap.md tells those who send datagrams is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.gateway.readings import Source
from exporter.tap.datagram import MAX_BYTES, MAX_MODEL, decode
from exporter.tap.listener import BURST, RATE
from exporter.traffic import TapOutcome
from tests.clock import NOW
from tests.tap.reports import DOCUMENTED

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "tap.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def section(page: str) -> str:
    return page.partition("\n## The datagram\n")[2].partition("\n## ")[0]


def test_the_datagram_that_is_shown_has_every_member_and_is_read(section: str) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    assert set(re.findall(r'"([a-z-]+)":', shown)) == DOCUMENTED.keys()
    assert decode(shown.encode(), NOW).model == "claude-sonnet-4-6"


def test_members_sources_outcomes_and_bounds_are_those_of_the_code(section: str) -> None:
    for word in (*DOCUMENTED, *Source, *TapOutcome):
        assert f"`{word}`" in section
    assert f"at most {MAX_BYTES:,} bytes" in section
    assert f"at most {MAX_MODEL} printable characters" in section
    assert f"more than {RATE:,.0f} a second" in section
    assert f"After a quiet second, {BURST:,.0f} are read" in section


@pytest.mark.parametrize(
    "literal",
    [
        "server llm.bytespike.ai:443;",
        "proxy_pass https://",
        "listen 127.0.0.1:8788;",
        "127.0.0.1:8789",
    ],
)
def test_what_others_replace_stands_once_in_nginx_conf(literal: str) -> None:
    text = (ROOT / "deploy" / "tap" / "nginx.conf").read_text(encoding="utf-8")
    assert text.count(literal) == 1


def test_the_page_names_the_addresses_of_nginx_conf(page: str) -> None:
    text = (ROOT / "deploy" / "tap" / "nginx.conf").read_text(encoding="utf-8")
    assert text.count("llm.bytespike.ai") == page.count("(`server`, `Host`, `proxy_ssl_name`)") * 3
    for address in ("127.0.0.1:8788", "127.0.0.1:8789", "/etc/ssl/certs/ca-certificates.crt"):
        assert address in text
        assert address in page
