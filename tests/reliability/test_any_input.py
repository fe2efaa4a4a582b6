"""Every decoder by itself, fed anything: readings or our own error, in bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from exporter.errors import GatewayError
from exporter.gateway.account import read_account
from exporter.gateway.envelope import MAX_WAIT, read_envelope, retry_after, wait_for_window
from exporter.gateway.transactions import read_transactions
from exporter.gateway.usage_answer import read_usage
from exporter.otlp.answers import judge_response
from exporter.otlp.receiver import MAX_SHOWN
from tests.config import test_any_text as any_text
from tests.gateway.fakes import NOW, bucket, row, transaction
from tests.gateway.test_any_answer import OWN, bodies, spoilt, values
from tests.reliability.test_any_gateway import names as header_names
from tests.reliability.test_any_gateway import values as header_values
from tests.reliability.test_any_receiver import REDACTOR, SECRET, protobuf
from tests.reliability.trials import SOAK, Trials, saw

INPUTS = 4000 if SOAK else 60
MEMORY = 4 * 2**20
"""Bytes that any of these small inputs may cost at once."""

PROMISED = "Readings or our own error, never another exception; bounded memory."
SEEN = "{inputs} inputs, {wrong} that broke the promise, {read} that were read"

account = st.builds(
    lambda user, balance, models, more: json.dumps(
        {"user": user, "balance": balance, "allowed_models": models, **more}
    ).encode(),
    spoilt({"id": 88, "created_at": "2026-01-04T07:11:00Z", "tier": "individual"}) | values,
    spoilt({"available_usd": 31.4, "lifetime_spent_usd": 218.6, "low_balance_flagged": False})
    | values,
    st.lists(spoilt({"id": "m", "quota_used_usd": 1.5, "quota_cap_usd": None}), max_size=4),
    st.dictionaries(st.sampled_from(["org", "user", "total"]), values, max_size=2),
)


def listed(name: str, document: dict[str, object]) -> st.SearchStrategy[bytes]:
    """An answer whose list holds spoilt rows, between other fields."""
    rows = st.lists(spoilt(document), max_size=4)
    more = st.dictionaries(st.sampled_from(["total", "page_size", "next_cursor"]), values)
    return st.builds(lambda other, items: json.dumps(other | {name: items}).encode(), more, rows)


DECODERS: dict[str, tuple[st.SearchStrategy[bytes], Callable[[bytes], object]]] = {
    "account": (account | bodies, lambda body: read_account(body, NOW)),
    "usage log": (listed("items", row(1)) | bodies, lambda body: read_usage(body, OWN, 1_000_000)),
    "usage rollup": (
        listed("buckets", bucket()) | bodies,
        lambda body: read_usage(body, OWN, 1_000_000),
    ),
    "transactions": (listed("items", transaction(1)) | bodies, read_transactions),
}


@pytest.mark.parametrize("name", DECODERS)
def test_any_answer_is_read_or_refused(trials: Trials, name: str) -> None:
    fault = trials.row("Fuzzing", f"decoder of {name} answers", PROMISED, SEEN)
    inputs, decode = DECODERS[name]

    @settings(max_examples=INPUTS, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def any_input(body: bytes) -> None:
        saw(fault, inputs=1, wrong=1, read=0)
        tracemalloc.start()
        try:
            with suppress(GatewayError):
                msgspec.json.encode(decode(body))  # every text is UTF-8, every number finite
                saw(fault, times=0, read=1)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < MEMORY
        saw(fault, times=0, wrong=-1)

    any_input()


def test_any_headers_are_read_or_left_out(trials: Trials) -> None:
    fault = trials.row("Fuzzing", "quota headers and waits, of any kind", PROMISED, SEEN)
    headers = st.dictionaries(
        header_names.map(str.encode),
        header_values.map(lambda value: value.encode("latin-1")) | st.binary(max_size=40),
        max_size=6,
    )

    @settings(max_examples=INPUTS)
    @given(headers, st.floats(0, 7e9))
    def any_headers(given_headers: dict[bytes, bytes], now: float) -> None:
        saw(fault, inputs=1, wrong=1, read=0)
        envelope = read_envelope(given_headers, "sk-…", now)
        msgspec.json.encode(envelope)
        for wait in (retry_after(given_headers, now), wait_for_window(given_headers, now)):
            assert wait is None or 0 <= wait <= MAX_WAIT
        saw(fault, times=0, wrong=-1, read=int(envelope is not None))

    any_headers()


def test_any_configuration_is_read_or_refused(trials: Trials) -> None:
    fault = trials.row(
        "Fuzzing",
        "configuration files of any kind",
        "A configuration, or problems that name their key path and hold no secret.",
        SEEN,
    )
    punctuated = st.lists(
        st.sampled_from([*"[]{}:,-?&*!|>'\"%@`#\n\t ~<", " a", any_text.MARK, ": ", "\n  "])
    ).map("".join)
    base = {"accounts": [{"name": "a", "api_key_env": "BYTESPIKE_API_KEY"}]}
    trees = st.dictionaries(any_text.words, any_text.trees, max_size=4)
    texts = (
        st.text()
        | st.builds(any_text.with_one_setting, st.sampled_from(any_text.PATHS), any_text.taken)
        | punctuated
        | trees.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True))
        | trees.map(lambda tree: yaml.safe_dump(base | tree, allow_unicode=True))
    )

    @settings(max_examples=INPUTS, suppress_health_check=list(HealthCheck))
    @given(texts)
    def any_configuration(text: str) -> None:
        saw(fault, inputs=1, wrong=1, read=0)
        config = any_text.read(text)
        saw(fault, times=0, wrong=-1, read=int(config is not None))

    any_configuration()


def test_any_answer_over_grpc_is_a_result(trials: Trials) -> None:
    fault = trials.row(
        "Fuzzing",
        "OTLP answers over gRPC, of any kind",
        "A result, in one short line without a secret.",
        SEEN,
    )

    @settings(max_examples=INPUTS)
    @given(protobuf)
    def any_response(body: bytes) -> None:
        saw(fault, inputs=1, wrong=1, read=1)
        response = ExportMetricsServiceResponse.FromString(body)
        result = judge_response(response, REDACTOR)
        told = f"{result.error or ''}{result.warning or ''}"
        assert SECRET not in told
        assert told.isprintable()
        assert len(told) < MAX_SHOWN + 200
        rejected = response.partial_success.rejected_data_points > 0
        assert (result.error is None) == (not rejected)
        saw(fault, times=0, wrong=-1)

    any_response()
