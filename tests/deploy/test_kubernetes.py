"""kubernetes.yaml against the images, the configuration in it, and the gateway."""

import re

import pytest

from gateway import __version__
from gateway.app import DRAIN, open_gateway
from gateway.server.request import MAX_GROUP_BODY

PODS = ["directory", "gateway"]
SECRET_FILE = re.compile(r'file = "([^"]+)"')


@pytest.fixture(scope="module")
def pod(manifests):
    return manifests["StatefulSet"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def containers(pod):
    return {container["name"]: container for container in pod["containers"]}


@pytest.fixture(scope="module")
def config(manifests):
    return manifests["ConfigMap"]["data"]["config.toml"]


def mounts(container):
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


def test_the_directory_and_the_gateway_are_in_one_pod_of_which_there_is_one(manifests, containers):
    assert list(containers) == PODS
    assert manifests["StatefulSet"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("name", PODS)
def test_an_image_is_of_this_release(containers, name):
    assert containers[name]["image"].endswith(f":{__version__}")


@pytest.mark.parametrize("name", PODS)
def test_a_container_runs_as_its_image_means_it_to_and_may_do_nothing_else(
    pod, containers, image, directory_image, name
):
    recipe = {"gateway": image, "directory": directory_image}[name]
    allowed = containers[name]["securityContext"]

    assert f"{allowed['runAsUser']}:{pod['securityContext']['runAsGroup']}" == recipe["USER"]
    assert allowed["readOnlyRootFilesystem"] is True
    assert allowed["allowPrivilegeEscalation"] is False
    assert allowed["capabilities"] == {"drop": ["ALL"]}


def test_a_volume_belongs_to_the_group_that_writes_it(pod):
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def test_what_must_survive_is_in_volumes_of_its_own(manifests, containers, image, directory_image):
    claims = {claim["metadata"]["name"] for claim in manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]}

    assert claims == {"gateway", "directory"}
    assert mounts(containers["gateway"])[image["VOLUME"]] == "gateway"
    assert mounts(containers["directory"])[directory_image["VOLUME"]] == "directory"


def test_every_mount_names_a_volume_of_the_pod(manifests, pod, containers):
    claims = {claim["metadata"]["name"] for claim in manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    named = {name for container in containers.values() for name in mounts(container).values()}

    assert named == volumes | claims


def test_the_configuration_is_where_the_gateway_looks_for_it(manifests, pod, containers, image):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}

    assert mounts(containers["gateway"])[f"{image['WORKDIR']}/config.toml"] == "config"
    assert volumes["config"]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]


def test_the_configuration_has_no_fault_and_nothing_to_warn_of(read, config, image):
    settings = read(config)

    assert settings.warnings == ()
    assert (settings.server.host, str(settings.server.port)) == ("0.0.0.0", image["EXPOSE"])
    assert settings.targets["directory"].url == "ldap://127.0.0.1:1389"


def test_secrets_come_as_files_of_one_secret(pod, containers, config):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    folders = {path for path, name in mounts(containers["gateway"]).items() if name == "secrets"}
    files = [file.rpartition("/") for file in SECRET_FILE.findall(config)]
    shown = volumes["directory-secrets"]["secret"]

    assert {folder for folder, _, _ in files} == folders
    assert sorted(name for _, _, name in files) == ["ldap.password", "okta.token"]
    assert [item["key"] for item in shown["items"]] == ["ldap.password"]
    assert {volumes["secrets"]["secret"]["defaultMode"], shown["defaultMode"]} == {0o440}


def test_the_directory_gets_the_password_that_the_gateway_shows(containers, config):
    given = {entry["name"]: entry["value"] for entry in containers["directory"]["env"]}

    assert f'"{given["DIRECTORY_PASSWORD_FILE"]}"' in config


async def test_the_probes_ask_what_the_gateway_answers(read, containers):
    gateway, settings = containers["gateway"], read('[server]\nlisten = "127.0.0.1:0"')
    asked = {name: probe["httpGet"]["path"] for name, probe in gateway.items() if name.endswith("Probe")}

    async with open_gateway(settings) as opened:
        served = {resource.canonical for resource in opened.application.router.resources()}

    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert set(asked.values()) <= served


def test_the_directory_is_probed_as_its_image_does(containers, directory_image):
    asked = [containers["directory"][name]["exec"]["command"] for name in ("startupProbe", "livenessProbe")]
    command = re.findall(r'"([^"]+)"', directory_image["HEALTHCHECK"])

    assert asked == [command, command]


def test_requests_under_way_have_the_time_that_the_gateway_gives_them(pod):
    assert pod["terminationGracePeriodSeconds"] > DRAIN


def test_a_request_finds_its_way_from_the_ingress_to_the_gateway(manifests, containers, image):
    (rule,) = manifests["Ingress"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service, (port,) = manifests["Service"], manifests["Service"]["spec"]["ports"]
    labels = manifests["StatefulSet"]["spec"]["template"]["metadata"]["labels"]

    assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
    assert service["spec"]["selector"] == labels
    assert containers["gateway"]["ports"] == [
        {"name": port["targetPort"], "containerPort": int(image["EXPOSE"])}
    ]


def test_the_ingress_lets_through_what_the_gateway_takes(manifests, read, config):
    told = manifests["Ingress"]["metadata"]["annotations"]
    size, patience = (
        told[f"nginx.ingress.kubernetes.io/proxy-{key}"] for key in ("body-size", "read-timeout")
    )

    assert int(size.removesuffix("m")) * 1024 * 1024 == MAX_GROUP_BODY
    assert int(patience) > read(config).targets["directory"].deadline


def test_only_scim_is_public_and_by_the_name_that_providers_are_told(manifests, read, config):
    (rule,) = manifests["Ingress"]["spec"]["rules"]

    assert [path["path"] for path in rule["http"]["paths"]] == ["/scim/"]
    assert manifests["Ingress"]["spec"]["tls"][0]["hosts"] == [rule["host"]]
    assert read(config).server.public_url == f"https://{rule['host']}"
