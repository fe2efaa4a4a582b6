"""The hook by itself: what it says, and that nothing makes it raise."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.secrets import Secret
from exporter.tap import hook
from exporter.tap.hook import AsyncQuotaTap, QuotaTap, masked
from tests.tap.hook_stage import KEY, LARGEST, MASKED, NOW, QUOTA, Ear, alike, ear, response, tap

__all__ = ["ear", "tap"]

SOURCE = Path(hook.__file__)
DOCUMENT = Path(__file__).parents[2] / "docs" / "tap.md"
MEMBERS = {"key", "status", "at", "source", *QUOTA}


# -- what it says -------------------------------------------------------------------------


def test_a_response_becomes_one_datagram_with_what_the_gateway_said(
    tap: QuotaTap, ear: Ear
) -> None:
    tap(response(402))
    said = {"key": MASKED, "status": 402, "at": NOW, "source": "hook"}
    assert ear.heard() == [said | QUOTA]
    assert tap.failed == 0


def test_the_asynchronous_hook_says_the_same_without_waiting(tap: QuotaTap, ear: Ear) -> None:
    tap(response())
    with pytest.raises(StopIteration):
        AsyncQuotaTap(ear.address, clock=lambda: NOW)(response()).send(None)
    first, second = ear.raw()
    assert first == second


def test_a_header_that_is_missing_is_left_out(tap: QuotaTap, ear: Ear) -> None:
    tap(response(500, {"X-Ratelimit-RESET": "1779390491"}))
    tap(response(500, {}))
    first, second = ear.heard()
    assert first.keys() - second.keys() == {"x-ratelimit-reset"}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "--5.00",
        "1e3",
        "many",
        "5,00",
        "٣",
        "5\n",
        "5 5",
        "NaN",
        "9" * 16,
        "1." + "0" * 31,
        b"\xff",
    ],
)
def test_a_header_that_is_no_number_is_told_of_without_what_it_says(
    tap: QuotaTap, ear: Ear, value: str | bytes
) -> None:
    tap(alike(200, {**QUOTA, "x-ratelimit-limit": value}, {"x-api-key": KEY}))
    [said] = ear.heard()
    assert said["x-ratelimit-limit"] == "?"
    assert said.keys() == MEMBERS


def test_what_is_left_is_told_of_below_zero_too(tap: QuotaTap, ear: Ear) -> None:
    tap(response(200, {"X-RateLimit-Remaining": "-3.20"}))
    [said] = ear.heard()
    assert said["x-ratelimit-remaining"] == "-3.20"


@pytest.mark.parametrize(("second", "told"), [("5.00", "5.00"), ("6.00", "?")])
def test_of_two_headers_that_differ_neither_is_told(
    tap: QuotaTap, ear: Ear, second: str, told: str
) -> None:
    headers = [("X-RateLimit-Limit", "5.00"), ("x-ratelimit-limit", second)]
    request = httpx.Request("GET", "http://gateway/", headers={"x-api-key": KEY})
    tap(httpx.Response(200, headers=headers, request=request))
    [said] = ear.heard()
    assert said["x-ratelimit-limit"] == told


@pytest.mark.parametrize(
    "auth",
    [
        {"x-api-key": KEY},
        {"X-API-Key": f" {KEY} "},
        {"authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {KEY}"},
        {"AUTHORIZATION": f"BEARER  {KEY}"},
        {"authorization": "Bearer sk-byts-another-0123456789", "x-api-key": KEY},
    ],
)
def test_the_key_is_taken_from_either_header_and_x_api_key_wins(
    tap: QuotaTap, ear: Ear, auth: dict[str, str]
) -> None:
    tap(response(auth=auth))
    tap(alike(200, QUOTA, auth))
    assert [said["key"] for said in ear.heard()] == [MASKED] * 2


@pytest.mark.parametrize(
    ("auth", "query"),
    [
        ({"x-goog-api-key": KEY}, ""),
        ({"X-Goog-Api-Key": KEY, "x-api-key": ""}, "?key=sk-byts-another-0123456789"),
        ({}, f"?alt=sse&key={KEY}"),
        ({}, f"?key={KEY.replace('-', '%2D')}"),
        ({"authorization": "Basic eA=="}, f"?key={KEY}"),
        ({"authorization": f"Bearer {KEY}", "x-goog-api-key": "another"}, "?key=another"),
    ],
)
def test_a_key_is_also_found_where_gemini_s_clients_put_it(
    tap: QuotaTap, ear: Ear, auth: dict[str, str], query: str
) -> None:
    request = httpx.Request("POST", f"http://gateway/v1beta/models{query}", headers=auth)
    tap(httpx.Response(200, headers=QUOTA, request=request))
    [said] = ear.heard()
    assert said == {"key": MASKED, "status": 200, "at": NOW, "source": "hook"} | QUOTA


@pytest.mark.parametrize(
    "auth", [{}, {"authorization": KEY}, {"authorization": f"Basic {KEY}"}, {"x-api-key": ""}]
)
def test_a_response_without_a_key_is_not_reported(
    tap: QuotaTap, ear: Ear, auth: dict[str, str]
) -> None:
    tap(response(auth=auth))
    assert ear.raw() == []
    assert tap.failed == 1


@given(st.text() | st.text(min_size=4).map("sk-byts-{}".format))
def test_a_key_is_masked_as_the_exporter_masks_it(key: str) -> None:
    assert masked(key) == Secret(key).masked()


def test_the_example_in_the_documentation_is_what_is_sent(tap: QuotaTap, ear: Ear) -> None:
    section = DOCUMENT.read_text().partition("## A hook in a Python application")[2]
    example = re.search(r"```json\n(.+?)```", section, re.DOTALL)
    assert example is not None
    tap(response())
    assert ear.heard() == [json.loads(example[1])]


# -- whatever happens ---------------------------------------------------------------------

_VALUES = st.text() | st.binary() | st.text("0123456789.", max_size=40) | st.just(KEY)
_NAMES = st.sampled_from([*QUOTA, "X-RateLimit-Limit", "other"])
_SPELLINGS = _NAMES | _NAMES.map(str.encode)


@given(
    st.integers(0, 700) | st.none() | st.text(),
    st.dictionaries(_SPELLINGS, _VALUES),
    st.sampled_from(["x-api-key", b"X-Api-Key", "Authorization"]),
)
def test_no_response_makes_it_raise_or_say_more_than_it_should(
    status: object, headers: dict[str | bytes, Any], auth: str | bytes
) -> None:
    value = f"Bearer {KEY}" if auth == "Authorization" else KEY
    with Ear() as ear:
        tap = QuotaTap(ear.address)
        tap(alike(status, headers, {auth: value}))
        datagrams = ear.raw()
    assert len(datagrams) + tap.failed == 1
    for datagram in datagrams:
        said = json.loads(datagram)
        assert len(datagram) <= LARGEST
        assert said.keys() <= MEMBERS
        assert said["key"] == MASKED
        assert 100 <= said["status"] <= 599
        assert KEY[8:-4] not in datagram.decode()


@given(st.text(min_size=1) | st.binary(min_size=1))
def test_any_text_in_place_of_a_key_is_said_in_a_few_characters_or_not_at_all(
    key: str | bytes,
) -> None:
    with Ear() as ear:
        tap = QuotaTap(ear.address)
        tap(alike(200, QUOTA, {"x-api-key": key}))
        datagrams = ear.raw()
    assert len(datagrams) + tap.failed == 1
    assert all(len(json.loads(datagram)["key"]) <= len(MASKED) for datagram in datagrams)


def test_the_largest_datagram_is_far_from_too_large(tap: QuotaTap, ear: Ear) -> None:
    widest = dict.fromkeys(QUOTA, "9" * 15 + "." + "9" * 30)
    tap(alike(599, widest, {"x-api-key": "sk-byts-" + "\U0001f511" * 12}))
    [datagram] = ear.raw()
    assert json.loads(datagram).keys() == MEMBERS
    assert len(datagram) <= LARGEST / 3


def test_huge_headers_are_left_out(tap: QuotaTap, ear: Ear) -> None:
    tap(response(quota=dict.fromkeys(QUOTA, "9" * 100_000), auth={"x-api-key": KEY * 10_000}))
    [datagram] = ear.raw()
    assert len(datagram) < 300


@pytest.mark.parametrize(
    "odd", [None, object(), alike(200, None, None), alike(200, {5: 5}, {"x-api-key": KEY})]
)
def test_what_is_no_response_is_counted(tap: QuotaTap, ear: Ear, odd: object) -> None:
    tap(odd)
    assert (tap.failed, ear.raw()) == (1, [])


# -- alone --------------------------------------------------------------------------------

_ALONE = """
import importlib.util, os, sys
from types import SimpleNamespace as Some
path, address = sys.argv[1:]
spec = importlib.util.spec_from_file_location("copied", path)
copied = importlib.util.module_from_spec(spec)
spec.loader.exec_module(copied)
tap = copied.QuotaTap(address)
some = Some(status_code=200, headers={}, request=Some(headers={"x-api-key": "k" * 20}))
tap(some)
child = os.fork()
tap(some)
if child:
    os.waitpid(child, 0)
    print(tap.failed, "exporter" in sys.modules, "httpx" in sys.modules)
"""


def test_a_copy_needs_the_standard_library_only_and_may_fork(tmp_path: Path, ear: Ear) -> None:
    copy = tmp_path / "copied.py"
    copy.write_bytes(SOURCE.read_bytes())
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", _ALONE, str(copy), ear.address]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["0", "False", "False"], "")
    assert [said["key"] for said in ear.heard()] == ["…kkkk"] * 3


def test_it_is_written_in_the_syntax_of_python_3_9() -> None:
    ast.parse(SOURCE.read_text(), feature_version=(3, 9))
