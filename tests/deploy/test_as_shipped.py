"""compose.yaml, kubernetes.yaml and the unit as they are: their commands run, in a root of our own."""

import json
import re
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.shipped import Root, asked, ended, files, free_ports, until
from tests.support.slapd import needed

PERSON = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ava@example.com",
    "externalId": "00uAva",
    "name": {"givenName": "Ava", "familyName": "Phone"},
    "phoneNumbers": [{"type": "work", "value": "020 7946 0018"}],
}
PASSWORD = "what-the-directory-is-shown"


@dataclass
class Pod:
    """A directory and a gateway: what each is started with, and how it is found to be well."""

    root: Root
    port: int
    directory: list[str]
    gateway: list[str]
    told: Mapping[str, Mapping[str, str]]  # the environment of each
    secrets: str  # the folder
    is_well: list[str]  # the command that asks the directory
    probes: list[str]  # paths of the gateway
    token: str  # its file
    grace: float  # seconds


def words(instruction: str) -> list[str]:
    """Return the words of an instruction of a Dockerfile in its exec form."""
    return list(json.loads(instruction[instruction.index("[") :]))


def root_of(folder: Path, image: Mapping[str, str], directory_image: Mapping[str, str], deploy: Path) -> Root:
    """Return a root with what both images have."""
    port, directory_port = free_ports(2)
    root = Root(folder)
    root.moved |= {"0.0.0.0:8080": f"127.0.0.1:{port}", "127.0.0.1:1389": f"127.0.0.1:{directory_port}"}
    root.hold(image["VOLUME"], directory_image["VOLUME"])
    root.moved[f"{image['WORKDIR']}/"] = f"{root.at(image['WORKDIR'])}/"
    *sources, place = directory_image["COPY"].split()
    root.hold(place.rstrip("/"))
    for name in sources:
        shutil.copy(deploy / "openldap" / name, root.at(place))
    shutil.copy(deploy / "healthy.py", root.at(image["WORKDIR"]))
    return root


def of_compose(root: Root, deploy: Path, image: Any, directory_image: Any, compose: Any) -> Pod:
    gateway = compose["services"]["gateway"]
    root.hold("/run/secrets")
    (mounted,) = (volume for volume in gateway["volumes"] if volume.startswith("./"))
    here, there, _ = mounted.split(":")
    root.write(there, (deploy / here).read_text())
    told = {"directory": compose["services"]["directory"].get("environment", {})}
    return Pod(
        root,
        int(root.moved["0.0.0.0:8080"].rpartition(":")[2]),
        words(directory_image["ENTRYPOINT"]),
        [*words(image["ENTRYPOINT"]), *words(image["CMD"])],
        {**told, "gateway": gateway["environment"]},
        "/run/secrets",
        words(directory_image["HEALTHCHECK"].partition("CMD")[2]),
        ["/healthz"],
        "/app/var/okta.token",
        float(gateway["stop_grace_period"].removesuffix("s")),
    )


def of_kubernetes(root: Root, image: Any, directory_image: Any, manifests: Any) -> Pod:
    pod = manifests["StatefulSet"]["spec"]["template"]["spec"]
    directory, gateway = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in gateway["volumeMounts"]}
    root.hold(mounts["secrets"])
    root.write(mounts["config"], manifests["ConfigMap"]["data"]["config.toml"])
    told = {one["name"]: {var["name"]: var["value"] for var in one["env"]} for one in (directory, gateway)}
    return Pod(
        root,
        int(root.moved["0.0.0.0:8080"].rpartition(":")[2]),
        [*directory.get("command", words(directory_image["ENTRYPOINT"])), *directory.get("args", [])],
        [
            *gateway.get("command", words(image["ENTRYPOINT"])),
            *gateway.get("args", words(image["CMD"])),
        ],
        told,
        mounts["secrets"],
        directory["startupProbe"]["exec"]["command"],
        [gateway[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")],
        f"{mounts['secrets']}/okta.token",
        float(pod["terminationGracePeriodSeconds"]),
    )


@pytest.fixture(scope="module", params=["compose", "kubernetes"])
def pod(request, deploy, image, directory_image, compose, manifests, tmp_path_factory) -> Pod:
    needed()
    folder = tmp_path_factory.mktemp(request.param)
    root = root_of(folder, image, directory_image, deploy)
    if request.param == "compose":
        made = of_compose(root, deploy, image, directory_image, compose)
    else:
        made = of_kubernetes(root, image, directory_image, manifests)
        root.write(made.token, "a-token-of-the-pod")
    root.write(f"{made.secrets}/ldap.password", PASSWORD)
    return made


@pytest.mark.long
def test_the_commands_of_the_images_run_as_they_are_and_write_their_volumes_alone(pod, image) -> None:
    root, url = pod.root, f"http://127.0.0.1:{pod.port}"
    volume = root.at(image["VOLUME"])
    read_only = files(root.at(image["WORKDIR"]), volume)
    listen = f"ldap://{root.moved['127.0.0.1:1389']}/"
    beside = {"DIRECTORY_DATA": "/var/lib/directory", "DIRECTORY_LISTEN": listen}
    beside |= {"DIRECTORY_PASSWORD_FILE": f"{pod.secrets}/ldap.password"} | pod.told["directory"]
    with (
        root.started(pod.directory, beside) as directory,
        root.started(pod.gateway, pod.told["gateway"], image["WORKDIR"]) as gateway,
    ):
        until(lambda: root.run(pod.is_well).returncode == 0, directory)
        for probe in pod.probes:
            until(lambda path=probe: asked(url + path)[0] == 200, gateway)
        well = root.run(words(image["HEALTHCHECK"].partition("CMD")[2]), image["WORKDIR"])
        token = root.at(pod.token).read_text().strip()
        users = f"{url}/scim/directory/v2/Users"
        made = asked(users, token, PERSON)
        read = asked(f"{users}/{made[1]['id']}", token)
        status = ended(gateway, pod.grace)

    assert (well.returncode, well.stderr) == (0, "")
    assert (made[0], read[0], read[1]["phoneNumbers"]) == (201, 200, PERSON["phoneNumbers"])
    assert status == 0
    assert files(root.at(image["WORKDIR"]), volume) == read_only
    assert {path.name for path in files(volume)} >= {"gateway.db"}


class Unit:
    """gateway.service as it is installed, on a machine of its own."""

    def __init__(self, folder: Path, deploy: Path) -> None:
        self.root = Root(folder)
        (self.port,) = free_ports(1)
        text = (deploy / "gateway.service").read_text()
        self.settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
        name, _, secrets = self.settings["LoadCredential"].partition(":")
        state = f"/var/lib/{self.settings['StateDirectory']}"
        self.root.moved |= {"127.0.0.1:8080": f"127.0.0.1:{self.port}", "%S": str(self.root.at("/var/lib"))}
        self.root.hold(secrets, state, "/run/credentials/scim-gateway.service", "/etc/scim-gateway")
        self.state = self.root.at(state)
        self.state.chmod(int(self.settings["StateDirectoryMode"], 8))
        self.root.write(f"{secrets}/dialpad.token", "a-secret-of-dialpad")
        for file in self.root.at(secrets).iterdir():  # as systemd hands them in
            self.root.write(f"/run/credentials/scim-gateway.service/{name}_{file.name}", file.read_text())
        (config,) = re.findall(r"--config (\S+)", self.settings["ExecStart"])
        self.config = self.root.write(config, (deploy / "config.service.toml").read_text())

    def words(self, setting: str) -> list[str]:
        return shlex.split(self.settings[setting])

    def started(self, stack: ExitStack) -> Any:
        name, _, value = self.settings["Environment"].partition("=")
        umask = int(self.settings["UMask"], 8)
        process = stack.enter_context(self.root.started(self.words("ExecStart"), {name: value}, umask=umask))
        until(lambda: asked(f"http://127.0.0.1:{self.port}/healthz")[0] == 200, process)
        return process

    def told(self, *arguments: str) -> tuple[int, str]:
        """Run a command with the unit's configuration; return its status and what it wrote."""
        words = [*self.words("ExecStart")[:1], *arguments, *self.words("ExecStart")[2:]]
        done = self.root.run(words)
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def unit(deploy, tmp_path_factory) -> Unit:
    return Unit(tmp_path_factory.mktemp("unit"), deploy)


@pytest.fixture(scope="module")
def litestream(deploy) -> Any:
    return yaml.safe_load((deploy / "litestream.yml").read_text())


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(s|m|h)", text).groups()
    return float(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def test_litestream_copies_the_journal_of_the_unit_elsewhere(litestream, unit) -> None:
    (database,) = litestream["dbs"]
    snapshot = litestream["snapshot"]

    assert database["path"] == f"/var/lib/{unit.settings['StateDirectory']}/gateway.db"
    assert database["replica"]["url"].startswith("s3://")
    assert seconds(database["replica"]["sync-interval"]) <= 1
    assert seconds(database["busy-timeout"]) >= 1
    assert seconds(snapshot["retention"]) > seconds(snapshot["interval"])


@pytest.mark.long
def test_the_unit_starts_reloads_ends_and_comes_back_from_a_copy_by_its_own_lines(
    litestream, unit, tmp_path
) -> None:
    """As docs/deploy.md restores: the journal goes, its head stays, the copy is where Litestream has it."""
    said, copy, grace = unit.config.read_text(), tmp_path / "copy.db", float(unit.settings["TimeoutStopSec"])
    journal = unit.root.at(litestream["dbs"][0]["path"])
    with ExitStack() as stack:
        process = unit.started(stack)
        with closing(sqlite3.connect(journal)) as source, closing(sqlite3.connect(copy)) as replica:
            source.backup(replica)
        reloaded = unit.root.run(unit.words("ExecReload")).returncode  # what the copy has not
        unit.config.write_text(said.replace("[providers.okta]", "[providers.okta]\ndialekt = 1"))
        refused = unit.root.run(unit.words("ExecReload")).returncode
        faulty = unit.root.run(unit.words("ExecStart")).returncode
        unit.config.write_text(said)
        is_well = asked(f"http://127.0.0.1:{unit.port}/healthz")[0]
        status = ended(process, grace)
    kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in unit.state.iterdir()}
    for name in ("", "-wal", "-shm"):
        journal.with_name(f"{journal.name}{name}").unlink(missing_ok=True)
    shutil.copy(copy, journal)
    journal.chmod(0o600)
    with ExitStack() as stack:
        again = ended(unit.started(stack), grace)

    assert (reloaded, is_well, status, again) == (0, 200, 0, 0)
    assert refused != 0
    assert str(faulty) == unit.settings["RestartPreventExitStatus"]
    assert {"gateway.db", "okta.token"} <= kept.keys()
    assert {mode & 0o077 for mode in kept.values()} == {0}
    events = [
        json.loads(line)["event"]
        for line in unit.told("audit", "query", "--format", "ndjson")[1].split("\n")
        if line
    ]
    assert sorted(events) == ["config.loaded", "config.loaded", "journal.restored"]
    assert unit.told("audit", "verify")[0] == 0
