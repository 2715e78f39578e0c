"""Prometheus' rules and Grafana's dashboard: they ask for nothing that /metrics does not say."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.admin.status import Counts, WriterStats
from gateway.flow.services import ALERTS
from gateway.metrics import FAMILIES, Metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus-rules.yaml"
OF_PROMETHEUS = {"up"}  # what it says itself of whom it asks
LABELS_OF_PROMETHEUS = {"instance", "job", "le"}
NAME = re.compile(r"\b(?:scim_gateway|process)_[a-z0-9_]+|\bup\b(?=\{)")
SELECTOR = re.compile(r"\b((?:scim_gateway|process)_[a-z0-9_]+|up)\{([^}]*)\}")
LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPED = re.compile(r"\bby \(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> Any:
    return json.loads((DEPLOY / "grafana-dashboard.json").read_text())


def asked() -> Iterator[Any]:
    """Yield every expression of both files, with the name of what it is for."""
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])
    board = dashboard()
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield pytest.param(variable["query"]["query"], id=f"variable {variable['name']}")


ASKED = list(asked())


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """The names that /metrics says."""
    metrics = Metrics(["okta"], ["cx"])
    metrics.answered("okta", "cx", "create", 201, 0.1)
    metrics.called("cx", "ok", 0.1)
    text = metrics.render(WriterStats(None, 0, 0, 0), Counts()).decode()
    families = {family.name for family in FAMILIES}
    return families | {re.split(r"[ {]", line)[0] for line in text.splitlines() if line[:1] != "#"}


@pytest.mark.parametrize("expression", ASKED)
def test_every_metric_that_is_asked_for_is_said(exposed: set[str], expression: str) -> None:
    found = set(NAME.findall(expression))

    assert found
    assert found <= exposed | OF_PROMETHEUS


def labels_of(name: str) -> set[str]:
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return {label for family in FAMILIES if family.name in (name, base) for label in family.labels}


@pytest.mark.parametrize("expression", ASKED)
def test_every_label_that_is_asked_for_is_one_of_its_metric(expression: str) -> None:
    for name, selector in SELECTOR.findall(expression):
        assert {label for label, _ in LABEL.findall(selector)} <= labels_of(name) | LABELS_OF_PROMETHEUS
    names = {label for name in NAME.findall(expression) for label in labels_of(name)}
    grouped = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
    assert grouped <= names | LABELS_OF_PROMETHEUS


@pytest.mark.parametrize("expression", ASKED)
def test_every_alert_that_is_asked_for_is_one_of_the_gateways(expression: str) -> None:
    named = {
        value
        for name, selector in SELECTOR.findall(expression)
        if name == "scim_gateway_alerts_total"
        for label, value in LABEL.findall(selector)
        if label == "alert"
    }

    assert named <= set(ALERTS)


def test_every_rule_says_what_is_the_matter_and_what_to_do() -> None:
    assert all(rule["annotations"]["summary"] and rule["annotations"]["action"] for rule in rules())
    assert {rule["labels"]["severity"] for rule in rules()} == {"warning", "critical"}


def test_every_family_of_metrics_of_targets_is_on_the_dashboard() -> None:
    shown = json.dumps(dashboard())

    assert {f.name for f in FAMILIES if "target" in f.labels and f.name not in shown} == set()


def test_no_two_panels_lie_on_one_another() -> None:
    taken = [
        (x, y)
        for panel in dashboard()["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    if shutil.which("promtool") is None:
        missing = pytest.fail if "CI" in os.environ else pytest.skip
        missing("promtool is not installed: apt-get install prometheus")
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def test_prometheus_takes_the_rules() -> None:
    checked = promtool("check", "rules", RULES)

    assert checked.returncode == 0, checked.stdout + checked.stderr


SERIES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: '{series}', values: '{values}'}}
    alert_rule_test:
      - eval_time: 20m
        alertname: {alert}
        exp_alerts: [{labels}]
"""


@pytest.mark.parametrize(
    ("alert", "series", "values", "is_raised"),
    [
        pytest.param(
            "ScimGatewayTargetSick",
            'scim_gateway_target_breaker{instance="a",target="cx",state="open"}',
            "1+0x30",
            True,
            id="sick for long",
        ),
        pytest.param(
            "ScimGatewayTargetSick",
            'scim_gateway_target_breaker{instance="a",target="cx",state="open"}',
            "0+0x15 1+0x15",
            False,
            id="sick for a moment",
        ),
        pytest.param(
            "ScimGatewayChangesRefused",
            'scim_gateway_changes_total{instance="a",target="cx",outcome="rejected"}',
            "0+10x30",
            True,
            id="all are refused",
        ),
        pytest.param(
            "ScimGatewayChangesRefused",
            'scim_gateway_changes_total{instance="a",target="cx",outcome="applied"}',
            "0+10x30",
            False,
            id="none is refused",
        ),
    ],
)
def test_prometheus_raises_an_alert_when_it_is_so(
    tmp_path: Path, alert: str, series: str, values: str, is_raised: bool
) -> None:
    rule = next(rule for rule in rules() if rule["alert"] == alert)
    said = rule["annotations"]
    labels = {"exp_labels": {"severity": rule["labels"]["severity"], "instance": "a", "target": "cx"}}
    texts = {name: text.replace("{{ $labels.target }}", "cx") for name, text in said.items()}
    expected = json.dumps(labels | {"exp_annotations": texts}) if is_raised else ""
    (tmp_path / "test.yaml").write_text(
        SERIES.format(rules=RULES, series=series, values=values, alert=alert, labels=expected)
    )

    tested = promtool("test", "rules", tmp_path / "test.yaml")

    assert tested.returncode == 0, tested.stdout + tested.stderr
