"""`promtool test rules` on the shipped rules, one story of series at a time.

A story is what the exporters show, minute by minute, in promtool's notation: `"40x9 4x50"` is 40
for ten minutes, then 4 for 51; `"_x9 4"` begins with nothing.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.deploy import shipped

Story = Mapping[str, str]
"""Series in PromQL's notation → values, one a minute."""


class Promtool:
    """Runs stories through the shipped rules; of the annotations, only the summary is compared."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        document = yaml.safe_load(shipped.RULES.read_text(encoding="utf-8"))
        self._files: dict[str, str] = {}
        for group in document["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    rule["annotations"] = {"summary": rule["annotations"]["summary"]}
                self._files[rule.get("alert") or rule["record"]] = f"{group['name']}.yaml"
            text = yaml.safe_dump({"groups": [group]})
            (folder / f"{group['name']}.yaml").write_text(text, encoding="utf-8")

    def fires(
        self,
        alert: str,
        story: Story,
        *,
        at: int,
        summary: str,
        until: int = 0,
        step: int = 1,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """It fires from minute `at` on, once, with this summary; at `until` no more.

        `labels` are those of the alert besides the account, severity and topic; an account that
        is empty is an alert without one. `step`: minutes from one value of the story to the next,
        and between two evaluations.
        """
        own = {"bytespike_account_name": "prod", **(labels or {})}
        expected = {
            "exp_labels": shipped.alerts()[alert]["labels"]
            | {name: value for name, value in own.items() if value},
            "exp_annotations": {"summary": summary},
        }
        ends = [_at(alert, until, [])] if until else []
        alerts = [_at(alert, at - step, []), _at(alert, at, [expected]), *ends]
        self._run(alert, story, step, alerts=alerts)

    def silent(self, alert: str, story: Story, *, until: int, step: int = 1) -> None:
        """It does not fire at any minute up to `until`."""
        firing = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        ever = {"expr": f"count_over_time({firing}[{until + 1}m])", "eval_time": f"{until}m"}
        self._run(alert, story, step, promql=[ever | {"exp_samples": []}])

    def stays(self, alert: str, story: Story, *, since: int, until: int) -> None:
        """It fires for the one account from minute `since`, not before, to `until`, all along."""
        minutes = until - since + 1
        firing = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        times = {"expr": f"count_over_time((count({firing}) == 1)[{minutes}m:1m])"}
        wanted = [{"labels": "{}", "value": minutes}]
        test = times | {"eval_time": f"{until}m", "exp_samples": wanted}
        before = {"expr": firing, "eval_time": f"{since - 1}m", "exp_samples": []}
        self._run(alert, story, promql=[before, test])

    def records(self, name: str, story: Story, *, at: int, value: float) -> None:
        """At minute `at` there is one recorded series of this name; its value to a tenth."""
        expr = f"count({name}) + 1000 * round(sum({name}), 0.1)"
        one = [{"labels": "{}", "value": 1 + 1000 * value}]
        self._run(name, story, promql=[{"expr": expr, "eval_time": f"{at}m", "exp_samples": one}])

    def asks(self, query: str, story: Story, *, at: int, value: float) -> None:
        """At minute `at` the query, which needs no rule, gives this one value."""
        one = [{"labels": "{}", "value": value}]
        asked = {"expr": query, "eval_time": f"{at}m", "exp_samples": one}
        self._run(next(iter(self._files)), story, promql=[asked])

    def _run(
        self,
        rule: str,
        story: Story,
        step: int = 1,
        *,
        alerts: Sequence[Mapping[str, object]] = (),
        promql: Sequence[Mapping[str, object]] = (),
    ) -> None:
        test = {
            "interval": f"{step}m",
            "input_series": [{"series": name, "values": text} for name, text in story.items()],
            "alert_rule_test": list(alerts),
            "promql_expr_test": list(promql),
        }
        document = {
            "rule_files": [self._files[rule]],  # what the other groups do takes its time
            "evaluation_interval": f"{step}m",
            "tests": [test],
        }
        path = self._folder / "test.yaml"
        path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        done = subprocess.run(
            [self._binary, "test", "rules", path], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _at(alert: str, minute: int, expected: list[dict[str, object]]) -> dict[str, object]:
    return {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": expected}
