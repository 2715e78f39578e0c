"""compose.yaml against the images, the configuration beside it, and the gateway."""

import re
from pathlib import Path

import pytest

from gateway.app import DRAIN
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

SERVICES = ["directory", "gateway"]
SECRETS = re.compile(r'file = "/run/secrets/([^"]+)"')


@pytest.fixture
def settings(deploy):
    return load_settings(deploy / "config.compose.toml", CONNECTORS, read_secrets=False)


def mounts(service):
    return dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])


def seconds(text):
    return float(re.fullmatch(r"(\d+)s", text)[1])


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_built_from_a_folder_that_has_its_recipe(compose, deploy, name):
    assert (deploy / compose["services"][name]["build"] / "Dockerfile").is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_write_its_volume_and_nothing_else(compose, name):
    service = compose["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["tmpfs"] == ["/tmp"]


def test_what_is_mounted_is_where_the_images_look_for_it(compose, image, directory_image):
    gateway, directory = (mounts(compose["services"][name]) for name in reversed(SERVICES))

    assert gateway == {image["VOLUME"]: "gateway", f"{image['WORKDIR']}/config.toml": "./config.compose.toml"}
    assert directory == {directory_image["VOLUME"]: "directory"}
    assert {"gateway", "directory"} == set(compose["volumes"])


def test_the_image_can_reach_an_ldap_directory(image, settings, deploy):
    assert settings.targets["directory"].connector == "ldap"
    assert "libldap-" in image["RUN"]
    assert "-r requirements/ldap.txt" in (deploy.parent / "Dockerfile").read_text()


def test_the_containers_run_as_their_images_mean_them_to(compose, image, directory_image):
    assert compose["services"]["gateway"]["user"] == image["USER"]
    assert compose["services"]["directory"]["user"] == directory_image["USER"]


def test_the_gateway_listens_where_the_proxy_reaches_it_and_nobody_else(compose, image, settings):
    (published,) = compose["services"]["directory"]["ports"]
    address, outside, inside = published.split(":")

    assert (address, outside) == ("127.0.0.1", str(settings.server.port))
    assert (settings.server.host, inside) == ("0.0.0.0", image["EXPOSE"])
    assert compose["services"]["gateway"]["network_mode"] == "service:directory"


def test_the_directory_is_well_before_the_gateway_starts(compose, directory_image):
    assert compose["services"]["gateway"]["depends_on"]["directory"]["condition"] == "service_healthy"
    assert directory_image["HEALTHCHECK"].endswith('"ldap://127.0.0.1:1389/"]')


def test_the_secrets_of_the_configuration_are_handed_in(compose, deploy):
    named = SECRETS.findall((deploy / "config.compose.toml").read_text())

    assert named == compose["services"]["gateway"]["secrets"] == compose["services"]["directory"]["secrets"]
    assert set(named) == set(compose["secrets"])


def test_a_secret_is_no_file_of_the_project(compose, deploy):
    files = [Path(secret["file"]) for secret in compose["secrets"].values()]

    assert {file.parts[0] for file in files} == {"secrets"}
    assert "/secrets/" in (deploy / ".gitignore").read_text().splitlines()


def test_requests_under_way_have_the_time_that_the_gateway_gives_them(compose):
    assert seconds(compose["services"]["gateway"]["stop_grace_period"]) > DRAIN


def test_the_configuration_has_no_fault_and_nothing_to_warn_of(settings, image):
    target = settings.targets["directory"]

    assert settings.warnings == ()
    assert (target.connector, target.url) == ("ldap", "ldap://127.0.0.1:1389")
    assert settings.journal.path.parent.name == Path(image["VOLUME"]).name


def test_what_is_written_anew_is_written_where_there_is_room(compose, image):
    assert compose["services"]["gateway"]["environment"] == {"SQLITE_TMPDIR": image["VOLUME"]}
