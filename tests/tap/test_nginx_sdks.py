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
    ANSWER,
    BROKEN,
    REFUSALS,
    REFUSED,
    Application,
    ear,
    every_sdk,
    gateway,
    status_of,
    streamed_or_not,
    url,
)

__all__ = ["behind", "ear", "gateway", "url"]


def told(ear: Ear, gateway: Simulator) -> int:
    """The status that is reported next."""
    [datagram] = until(ear.raw, "a report")
    observation = decode(datagram, 0.0)
    assert observation.envelope.key_id == Secret(gateway.api_key).masked()
    return observation.status


@every_sdk
@streamed_or_not
def test_a_call_is_answered_and_reported(
    sdk: str,
    library: ModuleType,
    stream: bool,
    gateway: Simulator,
    url: str,
    ear: Ear,
    behind: Behind,
) -> None:
    nginx = behind(ear.address, url)
    with library.Client(trust_env=False) as client:
        app = Application(sdk, gateway.api_key, nginx.url, client)
        assert "".join(app.pieces(stream)) == ANSWER
    assert told(ear, gateway) == 200
    assert gateway.world.truth().rows == 1


@every_sdk
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_call_raises_what_it_always_raises(
    sdk: str,
    library: ModuleType,
    refusal: tuple[str, int],
    gateway: Simulator,
    url: str,
    ear: Ear,
    behind: Behind,
) -> None:
    state, status = refusal
    gateway.options.set({"state": state})
    nginx = behind(ear.address, url)
    with library.Client(trust_env=False) as client, pytest.raises(REFUSED) as raised:
        list(Application(sdk, gateway.api_key, nginx.url, client).pieces(stream=True))
    assert status_of(raised.value) == status
    assert told(ear, gateway) == status


@every_sdk
def test_an_answer_that_breaks_off_never_looks_whole(
    sdk: str, library: ModuleType, gateway: Simulator, url: str, ear: Ear, behind: Behind
) -> None:
    gateway.faults.add(Fault(kind="close", endpoint="calls"))
    nginx = behind(ear.address, url)
    with library.Client(trust_env=False) as client, pytest.raises(BROKEN):
        list(Application(sdk, gateway.api_key, nginx.url, client).pieces(stream=True))
