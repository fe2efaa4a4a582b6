"""The reader of requests by itself: where bytes are cut makes no difference."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.tap.proxy.heads import Header, read_request
from exporter.tap.proxy.refusal import Refusal
from exporter.tap.proxy.requests import RequestReader
from tests.tap.proxy.test_refusing import BAD_CHUNKS, CHUNKED, SMUGGLING

Read = tuple[bytes, bytes, list[Header], bytes, list[Header]]

HOST = b"Host: localhost\r\n"
UPGRADE = b"Connection: upgrade\r\nUpgrade: h2c\r\n"
GOOD = (
    b"GET /a HTTP/1.1\r\n%b\r\n" % HOST,
    b"\r\nGET /b HTTP/1.1\r\nA:  b \r\n%bC:\r\n\r\n" % HOST,
    b"POST /c HTTP/1.1\r\n%bContent-Length: 6\r\n\r\n\r\n\r\n\r\n" % HOST,
    b"POST /d HTTP/1.1\r\n%bContent-Length: 0\r\n\r\n" % HOST,
    b"POST /e HTTP/1.1\r\n%b%bContent-Length: 4\r\n\r\nGET " % (HOST, UPGRADE),
    b"GET /f HTTP/1.1\r\n%b%b\r\n" % (HOST, UPGRADE),
)
CHUNKS = (
    b"POST /g HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % HOST
    + b"4\r\n\r\n\r\n\r\n2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n",
    b"POST /h HTTP/1.1\r\n%b%bTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (HOST, UPGRADE),
)


def read(parts: list[bytes]) -> tuple[list[Read], str | None]:
    """The requests in these bytes, and the error type that they end with, if they do."""
    reader = RequestReader()
    found: list[Read] = []
    try:
        for part in parts:
            at = 0
            while at < len(part):
                at = reader.feed(part, memoryview(part), at, len(part))
                if (sent := reader.head) is not None:
                    reader.expect(read_request(sent, b"gateway", b""))
                    found.append((sent.method, sent.target, sent.headers, b"", []))
                if reader.body:
                    *rest, body, trailers = found[-1]
                    found[-1] = (*rest, body + b"".join(reader.body), trailers)  # type: ignore[assignment]
                    reader.body.clear()
                if reader.done:
                    found[-1] = (*found[-1][:4], reader.trailers)
                    if reader.overrun:
                        return found, "overrun"
                    reader.reset()
    except Refusal as refusal:
        return found, refusal.kind
    return found, None


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in at})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


CUTS = st.lists(st.integers(0, 2000), max_size=12)
ANYTHING = st.sampled_from([*GOOD, *CHUNKS, *SMUGGLING.values()])


@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=5), st.none() | ANYTHING, CUTS)
@example(list(GOOD), CHUNKS[0], list(range(600)))
def test_the_same_requests_are_read_wherever_the_bytes_are_cut(
    requests: list[bytes], last: bytes | None, at: list[int]
) -> None:
    data = b"".join(requests) + (last or b"")
    whole = read([data])
    assert [found[1] for found in whole[0]][: len(requests)] == [
        request.split(b" ")[1] for request in requests
    ]
    assert read(cut(data, at)) == whole


@given(st.sampled_from([CHUNKED + bad for bad in BAD_CHUNKS.values()]), CUTS)
def test_bad_chunks_are_bad_wherever_they_are_cut(data: bytes, at: list[int]) -> None:
    assert read([data])[1] == "bad_request"
    assert read(cut(data, at))[1] == "bad_request"


@given(st.binary(max_size=300), st.integers(0, 400), CUTS)
def test_any_bytes_are_requests_or_refused(noise: bytes, place: int, at: list[int]) -> None:
    for good in (*GOOD, *CHUNKS):
        place %= len(good)
        data = good[:place] + noise + good[place:]
        assert read(cut(data, at))[1] in {
            *(None, "bad_request", "unknown_method", "unknown_version", "head_too_large"),
            "overrun",
        }


def test_what_follows_a_chunked_request_in_the_same_bytes_is_lost_and_said_so() -> None:
    found, end = read([CHUNKS[0] + GOOD[0]])
    assert end == "overrun"
    assert found == read([CHUNKS[0]])[0]
