"""What is shown of foreign text."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.otlp.receiver import MAX_SHOWN, Receiver
from exporter.secrets import shown_url

URL = "http://receiver.test/"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://user:secret@host.example:4318/v1/metrics?key=1#x",
            "https://host.example:4318/v1/metrics",
        ),
        ("http://[::1]:4318/v1/metrics", "http://[::1]:4318/v1/metrics"),
        ("/elsewhere?key=1", "/elsewhere"),
        ("http://[oops", "an unreadable URL"),
        ("http://host:port/", "an unreadable URL"),
    ],
)
def test_a_url_is_shown_without_credentials_and_query(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_the_password_inside_basic_authentication_is_a_secret_too() -> None:
    pair = base64.b64encode(b"user:a-password").decode()
    receiver = Receiver(URL, {"authorization": f"Basic {pair}"})
    assert receiver.clean(f"no a-password, {pair} or Basic {pair}") == "no …, … or …"


def test_a_header_that_only_looks_like_basic_does_no_harm() -> None:
    assert Receiver(URL, {"a": "Basic ???", "b": ""}).clean("fine") == "fine"


def test_a_gateway_key_is_never_shown() -> None:
    assert "0123456789" not in Receiver(URL, {}).clean("sk-byts-0123456789abcdef")


@given(
    st.text(st.characters()),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=9),
)
def test_any_text_becomes_one_short_printable_line_without_the_secret(
    text: str, secret: str
) -> None:
    cleaned = Receiver(URL, {"a": secret}).clean(f"{text}{secret}{text}")
    assert len(cleaned) <= MAX_SHOWN
    assert cleaned.isprintable()
    assert secret not in cleaned
