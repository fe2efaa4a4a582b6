"""The rule files as they are shipped, and the real tools that read them."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts.alerts import SOURCE, Thresholds, helm, plain, read
from tests.deploy import shipped
from tests.peers.missing import AMTOOL, PROMTOOL, VICTORIA_METRICS, require

ALERTS = shipped.alerts()
OF_NO_ACCOUNT = {
    "BytespikeNoData",
    "BytespikeExportsFailing",
    "BytespikeObservationsRejected",
    "BytespikeWebhookUnverified",
}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        (PROMTOOL, ("check", "rules", "--lint=all", "--lint-fatal", shipped.RULES)),
        (VICTORIA_METRICS.with_name("vmalert"), ("-dryRun", f"-rule={shipped.RULES}")),
        (AMTOOL, ("check-config", shipped.ALERTMANAGER)),
    ],
    ids=["promtool", "vmalert", "amtool"],
)
def test_the_real_tools_find_no_fault_with_what_is_shipped(
    program: Path, arguments: tuple[str | Path, ...]
) -> None:
    done = run(require(program), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_inhibits_and_what_is_inhibited_exists() -> None:
    config = yaml.safe_load(shipped.ALERTMANAGER.read_text(encoding="utf-8"))
    named = set(re.findall(r"Bytespike\w+", str(config["inhibit_rules"])))
    assert named
    assert named <= set(ALERTS)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [(["severity=critical"], "pager"), (["severity=warning"], "ticket")],
)
def test_critical_alerts_go_to_the_pager_and_warnings_do_not(
    amtool: Path, labels: list[str], receiver: str
) -> None:
    command = ("config", "routes", "test", f"--config.file={shipped.ALERTMANAGER}")
    done = run(amtool, *command, "alertname=BytespikeRunwayLow", *labels)
    assert done.stdout.strip() == receiver


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do_and_whom_it_concerns(name: str) -> None:
    alert = ALERTS[name]
    assert alert["for"]
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["description"]
    if name not in OF_NO_ACCOUNT:
        assert "$labels.bytespike_account_name" in alert["annotations"]["summary"]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alerts_link_leads_to_its_section_of_the_runbook(name: str) -> None:
    url, _, anchor = ALERTS[name]["annotations"]["runbook_url"].partition("#")
    assert url == read().runbook_url
    assert anchor == name.lower()
    body = shipped.sections()[anchor]
    for part in ("**Means.**", "**Confirm.**", "**Do.**", "**False alarm when**"):
        assert part in body, part
    assert "```promql" in body
    assert "`check`" in body


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    sections = {anchor for anchor in shipped.sections() if anchor.startswith("bytespike")}
    assert sections == {name.lower() for name in ALERTS}


def test_links_inside_the_runbook_lead_somewhere() -> None:
    links = set(re.findall(r"\]\(#([\w-]+)\)", shipped.RUNBOOK.read_text(encoding="utf-8")))
    assert links
    assert links <= set(shipped.sections())


# -- thresholds and the Helm template -------------------------------------------------


def test_no_rule_holds_a_number_that_is_a_threshold() -> None:
    """Compared with 0 and 1 only: anything else stands in thresholds.yaml."""
    for rule in shipped.rules(SOURCE.read_text(encoding="utf-8")):
        numbers = re.findall(r"[<>=]\s*-?(\d+\.?\d*)(?!\w*>>)", rule["expr"])
        assert set(numbers) <= {"0", "1"}, rule


def test_the_helm_template_gives_the_rules_that_are_shipped() -> None:
    """As `tpl` would with the values of thresholds.yaml."""
    settings = read()

    def value(found: re.Match[str]) -> str:
        if found[1].startswith('"'):
            return found[1].strip('"')
        path = found[1].removeprefix(".Values.alerts.")
        if path == "runbookUrl":
            return settings.runbook_url
        return str(settings.thresholds[path.removeprefix("thresholds.")])

    text = shipped.HELM_RULES.read_text(encoding="utf-8")
    rendered = re.sub(r'\{\{ ("\{\{"|"\}\}"|\.Values\.[\w.]+) \}\}', value, text)
    assert shipped.rules(rendered) == shipped.rules()


def test_every_threshold_stands_in_the_helm_template_and_no_number_of_it() -> None:
    text = shipped.HELM_RULES.read_text(encoding="utf-8")
    for name in read().thresholds:
        assert f"{{{{ .Values.alerts.thresholds.{name} }}}}" in text


@pytest.mark.parametrize("given", [{}, {"floor": 1, "ceiling": 2}])
def test_a_threshold_without_a_use_or_a_value_is_an_error(given: dict[str, float]) -> None:
    settings = Thresholds("https://runbook.example", given)
    source = "# <<comment>>\ngroups: [x < <<floor>>, <<runbookUrl>>]"
    for fill in (plain, helm):
        with pytest.raises(ValueError, match=r"ceiling|floor"):
            fill(source, settings)
