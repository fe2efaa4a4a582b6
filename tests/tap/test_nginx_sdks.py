"""The real SDKs through nginx: answers, streams and errors are what they would be without it."""

from __future__ import annotations

from types import ModuleType

import pytest

from bytespike_simulator import Fault, Simulator
from exporter.secrets import Secret
from exporter.tap.datagram import decode
from tests.peers.process import until
from tests.tap.hook_stage import Ear
from tests.tap.nginx_stage import Behind, behind
from tests.tap.test_hook_sdks import (
    BROKEN,
    Application,
    Call,
    ear,
    every_call,
    every_sdk,
    gateway,
    outcome,
    url,
)

__all__ = ["behind", "ear", "gateway", "url"]


@every_call
def test_a_call_is_answered_or_refused_as_ever_and_reported(
    call: Call, gateway: Simulator, url: str, ear: Ear, behind: Behind
) -> None:
    gateway.options.set({"state": call.state})
    nginx = behind(ear.address, url)
    with call.library.Client(trust_env=False) as client:
        app = Application(call.sdk, gateway.api_key, nginx.url, client)
        assert outcome(app, call.stream) == call.outcome
    [datagram] = until(ear.raw, "a report")
    reported = decode(datagram, 0.0)
    key_id = Secret(gateway.api_key).masked()
    assert (reported.status, reported.envelope.key_id) == (call.status, key_id)
    assert gateway.world.truth().rows == (call.state == "ok")


@every_sdk
def test_an_answer_that_breaks_off_never_looks_whole(
    sdk: str, library: ModuleType, gateway: Simulator, url: str, ear: Ear, behind: Behind
) -> None:
    gateway.faults.add(Fault(kind="close", endpoint="calls"))
    nginx = behind(ear.address, url)
    with library.Client(trust_env=False) as client, pytest.raises(BROKEN):
        list(Application(sdk, gateway.api_key, nginx.url, client).pieces(stream=True))
