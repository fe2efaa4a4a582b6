"""etcd and kube-apiserver as child processes, with certificates and a token made for the test."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml

from tests.peers.missing import KUBECTL, PEERS
from tests.peers.process import Peer, PeerError, until

_TOKEN = "a-token-for-the-test"
_SECONDS = 120.0


class Tools(NamedTuple):
    """The programs that scripts/kubernetes/set-up and scripts/peers put there."""

    etcd: Path
    apiserver: Path
    kubectl: Path


def tools() -> Tools:
    """The programs; where one is missing the test ends, as a failure if KUBERNETES=required."""
    found = Tools(
        PEERS / "etcd" / "usr" / "bin" / "etcd",
        PEERS / "kubernetes" / "kube-apiserver",
        KUBECTL,
    )
    for program in found:
        if not program.exists():
            message = f"no {program.name}: `make kube-tests` builds it, which takes long"
            if os.environ.get("KUBERNETES") == "required":
                pytest.fail(message, pytrace=False)
            pytest.skip(message)
    return found


class Etcd(Peer):
    def __init__(self, folder: Path, port: int, peer_port: int) -> None:
        super().__init__(folder)
        self.url = f"http://127.0.0.1:{port}"
        self._peer = f"http://127.0.0.1:{peer_port}"

    def command(self) -> Sequence[str | Path]:
        return [
            tools().etcd,
            f"--data-dir={self.folder / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={self._peer}",
            f"--initial-advertise-peer-urls={self._peer}",
            f"--initial-cluster=default={self._peer}",
            "--unsafe-no-fsync",
        ]

    def started(self) -> None:
        until(lambda: _ok(f"{self.url}/health"), "etcd to be healthy", _SECONDS)


class ApiServer(Peer):
    """A kube-apiserver of which the token's bearer is the master."""

    def __init__(self, folder: Path, etcd: str, port: int) -> None:
        super().__init__(folder)
        self._etcd = etcd
        self._port = port
        self.url = f"https://127.0.0.1:{port}"
        self.kubeconfig = folder / "kubeconfig"

    def command(self) -> Sequence[str | Path]:
        key = self.folder / "service-accounts.key"
        subprocess.run(
            ["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True, timeout=60
        )
        (self.folder / "tokens.csv").write_text(f'{_TOKEN},admin,1,"system:masters"\n', "utf-8")
        self.kubeconfig.write_text(yaml.safe_dump(self._client()), "utf-8")
        return [
            tools().apiserver,
            f"--etcd-servers={self._etcd}",
            "--bind-address=127.0.0.1",
            # It says where it is to nobody; by default it would not say so of a loopback address.
            "--endpoint-reconciler-type=none",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            # Nothing makes the service accounts of new namespaces: no controllers run.
            "--disable-admission-plugins=ServiceAccount",
        ]

    def _client(self) -> dict[str, object]:
        server = {"server": self.url, "insecure-skip-tls-verify": True}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }

    def started(self) -> None:
        until(self._ready, "the API server to be ready", _SECONDS)

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise PeerError(f"the API server ended at once:\n{self.output()[-4000:]}")
        return _ok(f"{self.url}/readyz")


def _ok(url: str) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        return httpx.get(url, headers=headers, verify=context).status_code == 200
    except httpx.TransportError:
        return False
