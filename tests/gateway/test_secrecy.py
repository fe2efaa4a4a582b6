"""The key never shows, even if the gateway echoes it everywhere."""

from __future__ import annotations

import gzip
import json
import logging
import traceback

import httpx
import pytest

from exporter.errors import GatewayError
from exporter.gateway.attempts import redacted
from exporter.gateway.exchange import quiet_http_logs
from exporter.secrets import Secret
from tests.gateway.fakes import KEY, Bench, bucket, raw, reply, row, transaction

ECHO = {
    "error": {"type": KEY, "code": KEY, "message": KEY},
    KEY: KEY,
    "user": {"id": KEY, "tier": KEY},
    "org": {"id": KEY, "name": KEY, "role": KEY},
    "allowed_models": [{"id": KEY, "quota_used_usd": 1}],
    "items": [
        row(0, request_id=KEY, model=f"x{KEY}", api_key={"id": KEY, "name": KEY, "masked": KEY}),
        row(1, api_key=KEY),
        row(2, request_id=f"{KEY}!", credits=KEY),
        transaction(3, id=KEY, kind=KEY),
    ],
}
HEADERS = {
    "X-RateLimit-Limit": KEY,
    "Retry-After": KEY,
    "Date": KEY,
    "Location": f"https://{KEY}.test/{KEY}",
    "Set-Cookie": f"session={KEY}",
    "Content-Type": f"text/{KEY}",
}


def everything(error: BaseException | None, depth: int = 0) -> str:
    """An error, its whole chain, and the locals of every frame of the package that it passed."""
    if error is None or depth > 5:
        return ""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [repr(f.f_locals) for f in frames if f.f_globals["__name__"].startswith("exporter")]
    assert own
    texts = [str(error), repr(error), repr(error.args), *own]
    return (
        "\n".join(texts)
        + everything(error.__context__, depth + 1)
        + everything(error.__cause__, depth + 1)
    )


def shown(bench: Bench) -> str:
    """All that the three polls give, good or bad."""
    texts = []
    for poll in (bench.account, bench.usage, bench.transactions):
        try:
            texts.append(repr(poll()))
        except GatewayError as error:
            texts.append(f"{error} {error!r}")
    return "\n".join([*texts, repr(bench.envelopes), repr(vars(bench.client)), str(bench.client)])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 402, 403, 404, 418, 429, 500, 503])
def test_an_echoed_key_shows_nowhere(
    status: int, packed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    body = json.dumps(ECHO).encode()
    coding = {"Content-Encoding": "gzip"} if packed else {}
    bench = Bench(raw(gzip.compress(body) if packed else body, status, HEADERS | coding))
    assert KEY not in shown(bench) + caplog.text
    assert len(bench.requests) >= 3


def test_an_echoed_key_shows_in_no_bucket() -> None:
    buckets = [bucket(model=KEY, api_key=KEY), bucket(api_key={"id": KEY}), bucket(bucket=KEY)]
    text = shown(Bench(reply({"buckets": buckets})))
    assert "UsageBucket" in text
    assert KEY not in text


@pytest.mark.parametrize(
    "error", [httpx.RemoteProtocolError, httpx.ReadError, httpx.ConnectError, httpx.ReadTimeout]
)
def test_an_error_of_httpx_that_quotes_the_key_shows_nowhere(
    error: type[httpx.RequestError],
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error(f"illegal header line: {request.headers['authorization']}", request=request)

    bench = Bench(handler)
    with pytest.raises(GatewayError) as caught:
        bench.account()
    text = everything(caught.value)
    assert KEY not in text
    assert "illegal header line" not in text


def test_the_http_loggers_stay_quiet_whatever_level_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet_http_logs()
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.DEBUG)
    monkeypatch.setattr(handler, "emit", records.append)
    for name in ("httpx", "httpcore.http11", "httpcore.connection", "httpcore.proxy"):
        logger = logging.getLogger(name)
        before = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
        logger.debug("headers %s", KEY)
        logger.info("url %s", KEY)
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert records == []


@pytest.mark.parametrize("before", ["", "\\\\", "x\\\\\\\\"])
def test_a_key_that_json_spells_in_escapes_is_cut_out_too(before: str) -> None:
    key = Secret("sk-byts-abcdefgh1234567890")
    spelled = "".join(f"\\u{ord(letter):04X}" for letter in key.reveal())
    body = redacted(f'{{"model": "{before}{spelled}"}}'.encode(), key)
    assert key.reveal() not in str(json.loads(body))


def test_escapes_that_json_needs_are_kept() -> None:
    body = rb'{"a": "\\u0073 \u0022 \u005c \u0041"}'
    assert json.loads(redacted(body, Secret("sk-byts-abcdefgh1234567890"))) == json.loads(body)
