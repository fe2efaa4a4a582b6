"""nginx as the rendered ConfigMaps have it, run as their container would run it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
import yaml

from exporter.tap.datagram import decode
from tests.deploy.charts import (
    DEPLOY,
    MINIMAL,
    Object,
    kind,
    nginx_containers,
    objects,
    pod_specs,
    rendered,
)
from tests.peers.fixtures import StartPeer
from tests.peers.nginx import changed, nginx_program
from tests.peers.process import Peer, free_port, until
from tests.tap.hook_stage import Ear
from tests.tap.nginx_stage import repeating

UID = 65532
SETPRIV = shutil.which("setpriv")
SCENARIOS = ["exporter-tap", "sidecar-tap", "manifest-tap"]
KEY = {"x-api-key": "sk-byts-0123456789abcdef9f3c"}


def files(found: Sequence[Object]) -> dict[str, str]:
    """What nginx's container sees at /etc/bytespike-nginx."""
    (pod,) = (one for one in pod_specs(found) if nginx_containers(one))
    (volume,) = (one for one in pod["volumes"] if one["name"] == "bytespike-nginx")
    (data,) = (
        one["data"] for one in found if one["kind"] == "ConfigMap" and "nginx.conf" in one["data"]
    )
    return {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]}


class Container(Peer):
    """nginx as another user, where nothing can be written but what stands for /tmp."""

    def __init__(self, folder: Path, texts: dict[str, str], gateway: str, tap: str) -> None:
        super().__init__(folder)
        self.texts = texts
        self.port = free_port()
        listen = re.search(r"listen (.*);", texts["nginx.conf"])
        server = re.search(r"server ([^{]*:\d+) max_fails=0;", texts["nginx.conf"])
        report = re.search(r"syslog:server=(.*?),", texts["nginx.conf"])
        assert listen is not None
        assert server is not None
        assert report is not None
        self.listen, self.server, self.report = listen[1], server[1], report[1]
        self._changes = {
            f"listen {self.listen};": f"listen 127.0.0.1:{self.port};",
            f"server {self.server} max_fails=0;": f"server {gateway};",
            f"server={self.report},": f"server={tap},",
            "proxy_pass https://": "proxy_pass http://",
        }

    def command(self) -> Sequence[str | Path]:
        assert SETPRIV is not None
        writable = self.folder / "tmp"
        writable.mkdir()
        os.chown(writable, UID, UID)
        place = self.folder / "etc"
        place.mkdir()
        for name, text in self.texts.items():
            changes = {"nginx.conf": self._changes, "start.sh": {"sleep 3600": "sleep 1"}}
            here = changed(text, changes.get(name, {}))
            (place / name).write_text(here.replace("/tmp/", f"{writable}/"), "utf-8")
        user = [SETPRIV, f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs"]
        path = f"PATH={Path(nginx_program()).parent}:{os.environ['PATH']}"
        nothing = ["--inh-caps=-all", "--bounding-set=-all"]
        return [*user, *nothing, "env", path, "sh", place / "start.sh"]

    def started(self) -> None:
        self.logged(r"(start worker process )")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder into which every user can look, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def gateway() -> Iterator[str]:
    with repeating("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as address:
        yield address


@pytest.mark.skipif(os.geteuid() != 0 or SETPRIV is None, reason="only root becomes another user")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_runs_as_its_own_user_where_nothing_can_be_written(
    scenario: str, gateway: str, start_peer: StartPeer, folder: Path
) -> None:
    with Ear() as ear:
        texts = files(rendered()[scenario])
        container = start_peer(Container(folder, texts, gateway, ear.address))
        url = f"http://127.0.0.1:{container.port}/v1/models"
        assert httpx.get(url, headers=KEY, trust_env=False).status_code == 200
        [datagram] = until(ear.raw, "a report")
    assert decode(datagram, 0.0).envelope.key_id == "sk-byts-…9f3c"
    assert (folder / "tmp" / "started").stat().st_uid == UID
    assert "emerg" not in container.output()


@pytest.mark.skipif(os.geteuid() != 0 or SETPRIV is None, reason="only root becomes another user")
def test_it_looks_the_gateways_name_up_again_every_hour(
    gateway: str, start_peer: StartPeer, folder: Path
) -> None:
    with Ear() as ear:
        texts = files(rendered()["manifest-tap"])
        container = start_peer(Container(folder, texts, gateway, ear.address))
        container.logged(r"(?s)(start worker process .*start worker process )")
        url = f"http://127.0.0.1:{container.port}/v1/models"
        assert httpx.get(url, headers=KEY, trust_env=False).status_code == 200


@pytest.mark.skipif(os.geteuid() != 0 or SETPRIV is None, reason="only root becomes another user")
def test_it_waits_until_the_gateways_name_is_known(gateway: str, folder: Path) -> None:
    texts = files(rendered()["manifest-tap"])
    texts["start.sh"] = changed(texts["start.sh"], {"-lt 10": "-lt 2", "sleep 2": "sleep 0.1"})
    unknown = "gateway.invalid:443"
    with Ear() as ear:
        container = Container(folder, texts, unknown, ear.address)
        container.started = lambda: None  # type: ignore[method-assign]
        with container:
            container.logged(r'(host not found in upstream "gateway.invalid:443")')
            started = folder / "tmp" / "started"
            until(started.exists, "the application to be let go on")
            config = folder / "etc" / "nginx.conf"
            config.write_text(changed(config.read_text("utf-8"), {unknown: gateway}), "utf-8")
            container.logged(r"(start worker process )")


def test_it_is_where_the_values_say_and_asks_the_right_gateway(tmp_path: Path) -> None:
    def seen(found: list[Object]) -> tuple[str, str, str, str]:
        text = files(found)["nginx.conf"]
        one = Container(tmp_path, {"nginx.conf": text}, "", "")
        (host,) = re.findall(r"proxy_set_header Host (.*);", text)
        return one.listen, one.server, one.report, host

    assert seen(rendered()["exporter-tap"]) == (
        "0.0.0.0:9788", "llm.bytespike.ai:443", "127.0.0.1:9789", "llm.bytespike.ai",
    )  # fmt: skip
    assert seen(rendered()["sidecar-tap"]) == (
        "127.0.0.1:8788", "gateway.example:443", "127.0.0.1:8789", "gateway.example",
    )  # fmt: skip
    tap: Object = {"enabled": True, "account": "b", "nginx": {"enabled": True}}
    accounts = [
        {"name": "a", "apiKey": "k"},
        {"name": "b", "apiKey": "k", "baseUrl": "http://gateway.test:8443/"},
    ]
    other = objects({"accounts": accounts, "tap": tap, "listenAddress": "[::]"})
    assert seen(other) == (
        "[::]:8788 ipv6only=off", "gateway.test:8443", "127.0.0.1:8789", "gateway.test:8443",
    )  # fmt: skip
    assert "proxy_pass http://" in files(other)["nginx.conf"]


def test_image_and_resources_are_values() -> None:
    nginx: Object = {"enabled": True, "image": {"tag": "7"}, "resources": {"limits": {"cpu": "2"}}}
    found = objects(MINIMAL | {"tap": {"enabled": True, "nginx": nginx}})
    (pod,) = (one for one in pod_specs(found) if nginx_containers(one))
    (container,) = nginx_containers(pod)
    assert container["image"] == "nginxinc/nginx-unprivileged:7"
    assert container["resources"]["limits"]["cpu"] == "2"
    assert not any(nginx_containers(pod) for pod in pod_specs(objects(MINIMAL)))


def test_kustomize_has_the_same_files() -> None:
    component = DEPLOY / "kustomize" / "sidecar-tap"
    for name, text in files(rendered()["manifest-tap"]).items():
        assert (component / name).read_text("utf-8").endswith(text)
    made = yaml.safe_load((component / "kustomization.yaml").read_text("utf-8"))
    assert set(files(rendered()["manifest-tap"])) < set(made["configMapGenerator"][0]["files"])
    assert kind(rendered()["manifest-tap"], "ConfigMap")
