"""The files for several gateways over one database, against each other, the image and the gateway."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import __version__
from gateway.app import DRAIN
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

SECRET = re.compile(r'file = "/run/secrets/(?:scim-gateway/)?([^"]+)"')
GATEWAYS = ["gateway1", "gateway2", "gateway3"]
CFGS = ["haproxy.cfg", "database.cfg"]


@pytest.fixture(scope="module")
def manifests(deploy: Path) -> dict[str, Any]:
    documents = yaml.safe_load_all((deploy / "kubernetes-replicas.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def compose(deploy: Path) -> Any:
    return yaml.safe_load((deploy / "compose.replicas.yaml").read_text())


@pytest.fixture(scope="module")
def patroni(deploy: Path) -> Any:
    return yaml.safe_load((deploy / "replicas" / "patroni.yml").read_text())


@pytest.fixture
def pod(manifests: dict[str, Any]) -> Any:
    return manifests["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture
def settings(deploy: Path) -> Any:
    return load_settings(deploy / "replicas" / "config.toml", CONNECTORS, read_secrets=False)


def test_an_upgrade_and_a_drain_leave_two_of_three_at_work(manifests) -> None:
    deployment = manifests["Deployment"]["spec"]

    assert deployment["replicas"] == 3
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert manifests["PodDisruptionBudget"]["spec"]["minAvailable"] == 2


def test_the_replicas_are_on_nodes_of_their_own_where_there_are_so_many(manifests, pod) -> None:
    (rule,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]

    assert rule["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert rule["podAffinityTerm"]["labelSelector"]["matchLabels"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_a_pod_takes_requests_when_it_is_ready_and_ends_those_it_has(pod, image) -> None:
    (container,) = pod["containers"]
    asked = {name: probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")}
    hook = float(container["lifecycle"]["preStop"]["exec"]["command"][1])

    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert pod["terminationGracePeriodSeconds"] > DRAIN + hook
    assert container["image"].endswith(f":{__version__}")
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == image["USER"]


def test_nothing_that_must_survive_is_in_a_pod(manifests, pod, read) -> None:
    settings = read(manifests["ConfigMap"]["data"]["config.toml"])

    assert settings.warnings == ()
    assert settings.journal.place == "postgresql://postgres.example.com/gateway"
    assert [name for name, volume in ((v["name"], v) for v in pod["volumes"]) if "emptyDir" in volume] == [
        "var",
        "tmp",
    ]
    assert not any(target.url.startswith("sqlite:") for target in settings.targets.values())


def test_each_gateway_of_compose_is_the_same_and_its_secrets_are_handed_in(compose, deploy) -> None:
    first, *others = (compose["services"][name] for name in GATEWAYS)
    named = SECRET.findall((deploy / "replicas" / "config.toml").read_text())

    assert all(other == first for other in others)
    assert sorted(named) == sorted(first["secrets"]) == sorted(compose["secrets"])


def test_the_configuration_of_compose_has_no_fault_and_nothing_to_warn_of(settings) -> None:
    assert settings.warnings == ()
    assert settings.journal.place == "postgresql://database/gateway"


@pytest.mark.parametrize("name", CFGS)
def test_haproxy_takes_its_configuration(deploy, name) -> None:
    if shutil.which("haproxy", path=f"{os.environ.get('PATH')}:/usr/sbin") is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("haproxy is not installed: apt-get install --no-install-recommends haproxy")
    command = [shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "-c", "-f", deploy / "replicas" / name]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_haproxy_asks_every_gateway_whether_it_is_ready_and_sends_nothing_twice(deploy) -> None:
    text = (deploy / "replicas" / "haproxy.cfg").read_text()

    assert re.findall(r"^  server (\w+) (\w+):8080$", text, re.MULTILINE) == [(one, one) for one in GATEWAYS]
    assert "option httpchk GET /readyz" in text
    assert re.findall(r"retry-on (.*)", text) == ["conn-failure"]


def test_patroni_acknowledges_what_two_nodes_have_and_is_watched(patroni) -> None:
    dcs = patroni["bootstrap"]["dcs"]

    assert (dcs["synchronous_mode"], dcs["maximum_lag_on_failover"]) == (True, 0)
    assert dcs["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert patroni["watchdog"]["mode"] == "required"


def test_no_password_stands_in_a_file(deploy) -> None:
    files = [*deploy.glob("*replicas.yaml"), *(deploy / "replicas").iterdir()]

    assert not [
        file.name for file in files if re.search(r"password: *[^{\s]|secret: *\w+$", file.read_text())
    ]
