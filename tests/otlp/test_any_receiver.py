"""Whatever an OTLP receiver answers, a result comes out: one short line, without a secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

from exporter.otlp.http import MAX_ANSWER
from exporter.otlp.receiver import MAX_SHOWN, ExportResult, HttpAnswer, Receiver, judge_http
from exporter.status import ExportOutcome
from tests.reliability.trials import SOAK, Trials, saw

SECRET = "s3cr3t-header-value"
RECEIVER = Receiver("http://receiver.test/", {"authorization": f"Bearer {SECRET}"})
ANSWERS = 20_000 if SOAK else 400
PROMISED = (
    "A result, in one short line without a secret; only a 2xx that rejects nothing is success."
)
SEEN = "{answers} answers, {wrong} that gave no result or a wrong one"

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(SECRET)
names = st.sampled_from(["partialSuccess", "rejectedDataPoints", "errorMessage", "message", "code"])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(), inner),
    max_leaves=12,
)
protobuf = st.builds(
    lambda rejected, words: ExportMetricsServiceResponse(
        partial_success=ExportMetricsPartialSuccess(
            rejected_data_points=rejected, error_message=words
        )
    ).SerializeToString(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8"), max_size=300),
)
bodies = st.one_of(
    st.binary(max_size=200),
    protobuf,
    trees.map(lambda tree: json.dumps(tree).encode()),
    st.tuples(protobuf, st.integers(0, 40)).map(lambda cut: cut[0][: -cut[1] or None]),
)
answers = st.builds(
    HttpAnswer,
    st.integers(200, 599),
    st.sampled_from(["", "application/json", "application/x-protobuf", "text/html", "é\x00"]),
    bodies,
    st.booleans(),
    st.none() | st.text() | st.just(f"https://u:{SECRET}@elsewhere.test:99999/?q={SECRET}"),
)


def judged(answer: HttpAnswer) -> ExportResult:
    """The result, which keeps all that is promised."""
    result = judge_http(answer, RECEIVER)
    told = f"{result.error or ''}{result.warning or ''}"
    assert SECRET not in told
    assert told.isprintable()
    assert len(told) < 2 * MAX_SHOWN + 200
    assert (result.error is None) == (result.outcome is ExportOutcome.SUCCESS)
    if not 200 <= answer.status < 300 or not answer.whole:
        assert result.outcome is ExportOutcome.FAILURE
    return result


def test_any_answer_of_a_receiver_is_a_result(trials: Trials) -> None:
    row = trials.row("Fuzzing", "OTLP answers over HTTP, of any kind", PROMISED, SEEN)

    @settings(max_examples=ANSWERS, deadline=None)
    @given(answers)
    def any_answer(answer: HttpAnswer) -> None:
        saw(row, answers=1, wrong=1)
        judged(answer)
        saw(row, times=0, wrong=-1)

    any_answer()


@pytest.mark.parametrize("status", [200, 400, 429, 503])
@pytest.mark.parametrize("begin", [b'{"x":', b'{"message":[', b'{"partialSuccess":', b"["])
def test_nesting_without_end_is_a_result(trials: Trials, begin: bytes, status: int) -> None:
    row = trials.row("Fuzzing", "OTLP answers nested without end", PROMISED, SEEN)
    saw(row, answers=1, wrong=1)
    judged(HttpAnswer(status, "application/json", (begin * MAX_ANSWER)[:MAX_ANSWER]))
    saw(row, times=0, wrong=-1)


@pytest.mark.parametrize("rejected", ["5", '"5"', "5.0"])
@pytest.mark.parametrize("words", ["null", '"why"', '""'])
def test_rejected_points_are_partial_however_json_tells_them(rejected: str, words: str) -> None:
    body = f'{{"partialSuccess":{{"rejectedDataPoints":{rejected},"errorMessage":{words}}}}}'
    result = judged(HttpAnswer(200, "application/json", body.encode()))
    assert result.outcome is ExportOutcome.PARTIAL
