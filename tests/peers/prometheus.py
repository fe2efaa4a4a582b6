"""Prometheus, which scrapes, takes remote write, evaluates rules and tells Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.peers.missing import PROMETHEUS, require
from tests.peers.promql import PromQl, Sample


class Prometheus(PromQl):
    """One running Prometheus with an empty store.

    `targets`: URLs that it scrapes every second. `rules`: rule files, evaluated every second.
    `alertmanager`: the URL of one to tell.
    """

    def __init__(
        self,
        folder: Path,
        targets: Iterable[str] = (),
        rules: Iterable[Path] = (),
        alertmanager: str | None = None,
    ) -> None:
        super().__init__(folder)
        self._targets = [urlsplit(target) for target in targets]
        self._rules = list(rules)
        self._alertmanager = alertmanager

    def command(self) -> Sequence[str | Path]:
        binary = require(PROMETHEUS)
        config = self.folder / "prometheus.json"
        config.write_text(json.dumps(self._config()), encoding="utf-8")  # JSON is YAML
        return [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'store'}",
            "--web.listen-address=127.0.0.1:0",
            "--web.enable-remote-write-receiver",
            # It finds Alertmanager seconds after the first rule fires: say it again soon.
            "--rules.alert.resend-delay=1s",
        ]

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(file.resolve()) for file in self._rules],
            "scrape_configs": [
                {
                    "job_name": f"target-{number}",
                    "metrics_path": target.path or "/metrics",
                    "static_configs": [{"targets": [target.netloc]}],
                }
                for number, target in enumerate(self._targets)
            ],
        }
        if self._alertmanager is not None:
            static = [{"targets": [urlsplit(self._alertmanager).netloc]}]
            config["alerting"] = {"alertmanagers": [{"static_configs": static}]}
        return config

    def started(self) -> None:
        self.url = "http://" + self.logged(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')
        self.remote_write = f"{self.url}/api/v1/write"
        self.logged(r"(Server is ready to receive web requests)")

    def scraped(self) -> list[Sample]:
        """`up` of every target, once each has been scraped. Raises PeerError."""
        return self.wait_for(f"up and on() (count(up) == {len(self._targets)})")
