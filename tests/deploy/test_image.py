"""The image is built for real, and started as its own user on a read-only root."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.image.report import STORAGE, buildah, rows
from tests.deploy.image import NAME, ROOT, UID, Container, Image, build, built
from tests.e2e.gateway import Gateway
from tests.peers.fixtures import StartPeer
from tests.peers.process import free_port, until


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built() as found:
        yield found


class Running(Container):
    """The exporter in its image, reading `gateway`."""

    def __init__(self, folder: Path, image: Image, gateway: Gateway) -> None:
        super().__init__(folder, image)
        self.url = f"http://127.0.0.1:{free_port()}"
        settings = {
            "gateway": {"base_url": gateway.url},
            "accounts": [{"name": "prod", "api_key_file": "/etc/bytespike/api-key"}],
            "otlp": {"endpoint": ""},
            "state": {"path": "/var/lib/bytespike/bytespike.db"},
            "http": {"listen": self.url.removeprefix("http://")},
        }
        (folder / "config" / "config.yaml").write_text(json.dumps(settings), "utf-8")
        (folder / "config" / "api-key").write_text(gateway.key, "utf-8")

    def started(self) -> None:
        until(self._ready, "/readyz to answer 200")

    def _ready(self) -> bool:
        assert self._process.poll() is None, self.output()
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False


def test_it_polls_as_its_own_user_on_a_read_only_root(
    image: Image, start_peer: StartPeer, tmp_path: Path
) -> None:
    gateway = start_peer(Gateway(tmp_path / "gateway"))
    container = start_peer(Running(tmp_path / "container", image, gateway))
    metrics = httpx.get(f"{container.url}/metrics").text
    assert 'bytespike_wallet_balance_USD{bytespike_account_name="prod"' in metrics
    assert re.search(rf"^Uid:\t{UID}\t{UID}\t{UID}", container.status, re.M)
    assert re.search(rf"^Gid:\t{UID}\t{UID}\t{UID}", container.status, re.M)
    assert re.search(r"^CapEff:\t0+$", container.status, re.M)
    assert (container.folder / "state" / "bytespike.db").stat().st_uid == UID
    assert container.end() == 0


def test_nothing_of_the_root_can_be_written(
    image: Image, start_peer: StartPeer, tmp_path: Path
) -> None:
    container = Container(tmp_path / "container", image)
    settings = {
        "accounts": [{"name": "prod", "api_key_file": "/etc/bytespike/api-key"}],
        "state": {"path": "/opt/bytespike.db"},
    }
    (container.folder / "config" / "config.yaml").write_text(json.dumps(settings), "utf-8")
    assert start_peer(container).ended() == 1
    assert "/opt/bytespike.db" in container.output()
    assert not (image.root / "opt" / "bytespike.db").exists()


def test_it_says_who_it_is_and_what_kubernetes_must_know(image: Image) -> None:
    config = image.config
    assert config["Entrypoint"] == ["bytespike-exporter"]
    assert config["User"] == f"{UID}:{UID}"
    assert "Healthcheck" not in config
    assert config["Labels"]["org.opencontainers.image.title"] == "bytespike-exporter"
    assert re.fullmatch(r"\d+\.\d+\.\d+", config["Labels"]["org.opencontainers.image.version"])
    assert "9464/tcp" in config["ExposedPorts"]


def test_what_the_exporter_does_not_need_is_not_in_it(image: Image) -> None:
    names = {path.name for path in image.root.rglob("*")}
    unwanted = {"sh", "bash", "dash", "env", "apt", "dpkg", "pip", "setuptools", "curl", "perl"}
    assert not names & (unwanted | {"tkinter", "ensurepip", "idlelib", "test_io.py"})
    programs = [path for path in image.root.rglob("bin/*") if not path.is_symlink()]
    assert {re.sub(r"[\d.]", "", path.name) for path in programs} == {
        "bytespike-exporter",
        "python",
    }


def test_no_file_gives_its_user_more_than_it_has(image: Image) -> None:
    modes = [(path, path.lstat().st_mode) for path in image.root.rglob("*")]
    assert not [path for path, mode in modes if mode & (stat.S_ISUID | stat.S_ISGID)]
    writable = [path for path, mode in modes if mode & stat.S_IWOTH and not stat.S_ISLNK(mode)]
    assert writable == [image.root / "tmp"]
    owned = [path for path, _ in modes if path.lstat().st_uid != 0]
    assert owned == [image.root / "var" / "lib" / "bytespike"]


def test_it_is_as_small_as_the_documentation_says(image: Image) -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    lines = re.findall(r"^\| (.+) \| ([\d.]+) \|$", text, re.M)
    said = {part: float(size) for part, size in lines}
    found = {part: size / 1e6 for part, size in rows(image.root)}
    assert said.keys() == found.keys()
    # Python itself differs between the base and its stand-in.
    assert found["all"] == pytest.approx(said["all"], rel=0.15)
    for part, size in said.items():
        if part.startswith("package"):
            assert found[part] == pytest.approx(size, rel=0.05, abs=0.1)


def test_the_base_is_pinned() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.search(r"^ARG BASE=[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$", dockerfile, re.M)
    assert re.findall(r"^FROM (\S+)", dockerfile, re.M) == ["${BASE}", "scratch"]


UNREACHABLE = "127.0.0.1:1/python:3"
PINNED = f"{UNREACHABLE}@sha256:{'0' * 64}"


@pytest.fixture
def stand_in(image: Image) -> Iterator[str]:
    """An image that has the name and tag of a base which nobody can pull."""
    buildah("tag", NAME, UNREACHABLE)
    yield UNREACHABLE
    buildah("rmi", UNREACHABLE)


def test_a_release_takes_no_base_that_is_not_pinned(stand_in: str) -> None:
    done = build("release:1", RELEASE="1", BASE=stand_in)
    assert done.returncode != 0
    assert f"a release pins its base: {stand_in} has no @sha256" in done.stderr


def test_a_release_takes_no_stand_in_for_its_base(stand_in: str) -> None:
    done = build("release:1", RELEASE="1", BASE=PINNED)
    assert done.returncode != 0
    assert "the base cannot be pulled" in done.stderr


def test_what_was_built_from_a_stand_in_is_nothing_to_a_release(stand_in: str) -> None:
    note = STORAGE / "127.0.0.1_1_python_3.inputs"
    _, *inputs = (STORAGE / "bytespike-exporter_test.inputs").read_text("utf-8").split(" ")
    note.write_text(" ".join([stand_in, *inputs]), "utf-8")
    assert build(stand_in, BASE=PINNED).stdout == f"{stand_in}\n"
    done = build(stand_in, BASE=PINNED, RELEASE="1")
    note.unlink()
    assert done.returncode != 0
    assert "the base cannot be pulled" in done.stderr
