"""A certificate authority of our own, with a certificate for a server and one for the client."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

OPENSSL = shutil.which("openssl")


@dataclass(frozen=True)
class Certificates:
    """PEM files."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def context(self, ask_client: bool = False) -> ssl.SSLContext:
        """A server's TLS; with `ask_client` only for clients with our certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def make(folder: Path, server: str = "IP:127.0.0.1") -> Certificates:
    """Fresh certificates below `folder`; `server` is what the server's is for."""
    # Python 3.13 and newer refuse an authority that does not say what its key is for.
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl(folder, "req", "-x509", *_new("ca"), "-subj", "/CN=a test CA", "-days", "2", *usage)
    issuer = "authorityKeyIdentifier=keyid\n"
    for name, extension in (("server", f"subjectAltName={server}"), ("client", "")):
        (folder / f"{name}.ext").write_text(issuer + extension)
        _openssl(folder, "req", *_new(name, "csr"), "-subj", f"/CN={name}")
        _openssl(
            folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
    names = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")
    return Certificates(*(folder / name for name in names))


def _new(name: str, kind: str = "pem") -> tuple[str, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    return (*curve, "-keyout", f"{name}.key", "-out", f"{name}.{kind}")


def _openssl(folder: Path, *arguments: str) -> None:
    assert OPENSSL is not None
    subprocess.run([OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)
