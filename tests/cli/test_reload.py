"""`reload`, SIGHUP and what `status` says of them: a real process, and its signals."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, str(ROOT / "gateway.py"), "serve"]
TITLE = '[[targets.phonebook.rules]]\nto = "title"\nvia = [{ name = "map", table = { Agent = "%s" } }]\n'


@pytest.fixture
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A gateway in the folder, which listens."""
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        yield process
        process.kill()


def port_of(process: subprocess.Popen[str]) -> int:
    """Wait until it listens, and return where."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("listening on port "):
            return int(line.split()[3].rstrip(";"))
    raise AssertionError("it ended")


def logged(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines() if line.endswith("}")]


def wait_for(is_so: Callable[[], Any]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.01)


def events(folder: Path) -> list[str]:
    return [line["event"] for line in logged(folder)]


def edit(folder: Path, text: str) -> None:
    """Have the file as it was at first, with this at its end."""
    first = folder / "config.first"
    if not first.exists():
        first.write_text((folder / "config.toml").read_text())
    (folder / "config.toml").write_text(first.read_text() + text)


def test_without_a_gateway_there_is_nobody_to_take_it(run, folder):
    ended = run("reload")

    assert (ended.status, ended.out) == (3, "")
    assert ended.err.startswith(f"no gateway could be reached on {folder}/var/gateway.db.sock")
    assert "\n    3   no gateway runs, or it does not answer\n" in run("reload", "--help").out


def test_a_command_has_it_taken_and_status_says_whether_it_was(process, run, folder):
    port_of(process)
    edit(folder, TITLE % "Boss" + '[targets.new]\nconnector = "embedded"\nurl = "sqlite:var/new.db"\n')

    before = run("status")
    ended = run("reload")
    after = run("status")

    assert ended.status == 0
    assert ended.out.splitlines()[0] == "target added: new"
    assert ended.out.splitlines()[-1].startswith("reloaded: configuration ")
    assert "the file is another by now" in before.out
    assert "the file is another by now" not in after.out
    assert (
        run("audit", "query", "--filter", 'event eq "config.reloaded"', "--format", "csv").out.count("\n")
        == 2
    )


def test_what_needs_a_restart_is_told_and_the_rest_is_taken(process, run, folder):
    port_of(process)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("127.0.0.1:0", "127.0.0.1:1") + TITLE % "Boss")

    ended, status = run("reload"), run("status")

    assert ended.status == 0
    assert "server.listen: needs a restart" in ended.err
    assert "the file has another server.listen, which needs a restart" in status.out


def test_faults_that_the_command_sees_end_it_with_2(process, run, folder):
    port_of(process)
    edit(folder, "[targets.cxx]\n")

    ended = run("reload")

    assert (ended.status, ended.out) == (2, "")
    assert "targets.cxx" in ended.err


def test_faults_that_only_the_gateway_sees_end_it_with_2(process, run, folder):
    port_of(process)
    (folder / "cx.token").write_text("")
    edit(folder, TITLE % "Boss")

    ended = run("reload")

    assert (ended.status, ended.out) == (2, "")
    fault, last = ended.err.splitlines()
    assert fault.startswith("targets.cx.auth.bearer.file (line ")
    assert fault.endswith(": the secret is empty")
    assert last == "the gateway goes on as it was"


def test_a_resync_of_what_has_changed_waits_for_the_rules_to_be_taken(process, run, folder):
    port_of(process)
    edit(folder, TITLE % "Boss")

    refused = run("resync", "phonebook", "--changed")
    warned = run("reconcile", "phonebook")
    run("reload")
    ended = run("resync", "phonebook", "--changed")

    assert (refused.status, refused.out) == (1, "")
    assert "`reload` first" in refused.err
    assert (warned.status, "warning: the file is another" in warned.err) == (0, True)
    assert (ended.status, "warning" in ended.err) == (0, False)


def test_a_hangup_takes_the_file_and_one_with_faults_is_told_in_the_log(process, folder):
    port_of(process)
    edit(folder, TITLE % "Boss")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: "config.reloaded" in events(folder))
    edit(folder, "[targets.cxx]\n")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: "config.refused" in events(folder))

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0


def test_no_hangup_ends_a_gateway_that_starts_works_or_ends(process, folder):
    is_over = threading.Event()

    def hang_up() -> None:
        while not is_over.wait(0.003):
            process.send_signal(signal.SIGHUP)

    wait_for(lambda: "SigIgn" in status_of(process) and int(status_of(process)["SigIgn"], 16) & 1)
    sending = threading.Thread(target=hang_up)
    sending.start()
    try:
        port = port_of(process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        wait_for(lambda: "config.reloaded" in events(folder))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        is_over.set()
        sending.join()
    assert events(folder)[-1] == "gateway.stopped"


def status_of(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return what the system says of a process: which signals it ignores, or catches."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        pytest.skip("only Linux says which signals a process ignores")
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_twenty_changes_under_load_cost_no_request_and_no_person(process, run, folder):
    port, token = port_of(process), (folder / "okta.token").read_text().strip()
    failed: list[Any] = []
    made: list[str] = []
    is_over = threading.Event()

    def provision(worker: int) -> None:
        for n in range(100_000):
            if is_over.is_set():
                return
            name = f"ann{worker}-{n}@example.com"
            try:
                id = ask(port, token, "POST", "", {"userName": name, "title": "Agent"})["id"]
                ask(port, token, "PUT", f"/{id}", {"userName": name, "title": "Agent", "displayName": "Ann"})
                made.append(name)
            except (OSError, urllib.error.URLError) as error:
                failed.append(error)

    workers = [threading.Thread(target=provision, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    try:
        for n in range(20):
            edit(folder, CONFIGURATIONS[n % len(CONFIGURATIONS)])
            assert run("reload").status == 0
    finally:
        is_over.set()
        for worker in workers:
            worker.join()

    pushed = run("resync", "phonebook", "--changed")  # those who came by the rules of another moment
    found = run("reconcile", "phonebook")
    assert (failed, pushed.status, found.status) == ([], 0, 0), found
    assert len(made) >= 20
    assert f"{len(made)} people" in found.err
    assert events(folder).count("config.reloaded") == 20
    assert run("audit", "verify").status == 0


CONFIGURATIONS = (
    TITLE % "Boss",
    '[targets.new]\nconnector = "embedded"\nurl = "sqlite:var/new.db"\n',
    TITLE % "Agent" + '[auditors.alice]\ntoken = { file = "alice.token" }\n',
)


def ask(port: int, token: str, method: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/scim/phonebook/v2/Users{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
