"""TLS with a certificate authority of our own, over HTTP and gRPC."""

from __future__ import annotations

from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from exporter.config import types as config
from exporter.otlp import ExportResult, OtlpExporter
from exporter.status import ExportOutcome
from tests.otlp import samples
from tests.otlp.certificates import OPENSSL, Certificates, make
from tests.otlp.receivers import GrpcReceiver, HttpReceiver

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates"),
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("tls"))


async def export(url: str, protocol: config.Protocol, **files: Path) -> ExportResult:
    otlp = config.Otlp(protocol=protocol, endpoint=url, timeout=3.0, **files)  # type: ignore[arg-type]
    sender = OtlpExporter(otlp, samples.RESOURCE)
    result = await sender.export(samples.snapshot())
    await sender.close()
    return result


async def over_http(certificates: Certificates, ask_client: bool, **files: Path) -> ExportResult:
    with HttpReceiver(tls=certificates.context(ask_client)) as receiver:
        return await export(receiver.url, config.Protocol.HTTP, **files)


async def over_grpc(certificates: Certificates, ask_client: bool, **files: Path) -> ExportResult:
    pair = (certificates.server_key.read_bytes(), certificates.server.read_bytes())
    authority = certificates.ca.read_bytes() if ask_client else None
    with GrpcReceiver(grpc.ssl_server_credentials([pair], authority, ask_client)) as receiver:
        url = f"https://127.0.0.1:{receiver.port}"
        return await export(url, config.Protocol.GRPC, **files)


BOTH = pytest.mark.parametrize("send", [over_http, over_grpc])


@BOTH
async def test_our_own_authority_is_trusted_whatever_the_environment_says(
    send: object, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificates.client))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.client))
    result = await send(certificates, False, certificate=certificates.ca)  # type: ignore[operator]
    assert result == ExportResult(ExportOutcome.SUCCESS)


@BOTH
async def test_a_stranger_is_not_trusted(send: object, certificates: Certificates) -> None:
    result = await send(certificates, False)  # type: ignore[operator]
    assert (result.outcome, result.data_refused) == (ExportOutcome.FAILURE, False)


async def test_why_a_stranger_is_not_trusted_is_told(certificates: Certificates) -> None:
    error = str((await over_http(certificates, False)).error)
    assert "no TLS with https://127.0.0.1:" in error
    assert "self-signed certificate" in error or "unable to get local issuer" in error


@BOTH
async def test_a_client_certificate_is_shown(send: object, certificates: Certificates) -> None:
    result = await send(  # type: ignore[operator]
        certificates,
        True,
        certificate=certificates.ca,
        client_certificate=certificates.client,
        client_key=certificates.client_key,
    )
    assert result == ExportResult(ExportOutcome.SUCCESS)


@BOTH
async def test_without_the_client_certificate_it_fails(
    send: object, certificates: Certificates
) -> None:
    result = await send(certificates, True, certificate=certificates.ca)  # type: ignore[operator]
    assert result.outcome is ExportOutcome.FAILURE


@BOTH
async def test_a_certificate_file_that_vanished_is_told(
    send: object, certificates: Certificates
) -> None:
    result = await send(certificates, False, certificate=Path("gone.pem"))  # type: ignore[operator]
    assert result.outcome is ExportOutcome.FAILURE
    assert "certificate files of otlp cannot be read" in str(result.error)
