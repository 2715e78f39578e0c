"""In whose name something is done to the gateway."""

import errno
import os
import pwd

import pytest

from gateway.users import invoker, name_of, own_name, why

ME = pwd.getpwuid(os.geteuid()).pw_name
NOBODY = 4_000_000_123


@pytest.mark.parametrize(
    ("uid", "said", "name"),
    [
        pytest.param(os.geteuid(), None, ME, id="a user"),
        pytest.param(NOBODY, None, f"uid {NOBODY}", id="a user without a name"),
        pytest.param(os.geteuid(), "ann", f"ann via sudo as {ME}", id="by sudo"),
        pytest.param(os.geteuid(), "", ME, id="by nobody"),
        pytest.param(os.geteuid(), "ann as root\n", ME, id="what is no name"),
        pytest.param(os.geteuid(), "a" * 65, ME, id="what is too long"),
    ],
)
def test_a_user_is_named_as_the_system_does_and_sudo_beside_it(uid: int, said: str | None, name: str) -> None:
    assert name_of(uid, said) == name


@pytest.mark.parametrize(("said", "expected"), [("ann", "ann"), ("a b", None)], ids=["a name", "none"])
def test_sudo_says_who_runs_a_process(monkeypatch: pytest.MonkeyPatch, said: str, expected: str) -> None:
    monkeypatch.setenv("SUDO_USER", said)

    assert invoker() == expected
    assert own_name() == name_of(os.geteuid(), expected)


def refused(path, number=errno.EACCES):
    return OSError(number, os.strerror(number), str(path))


@pytest.fixture
def somebody(monkeypatch):
    """Have this process run as user 4711, whom nobody knows."""
    monkeypatch.setattr(os, "geteuid", lambda: 4711)


@pytest.mark.usefixtures("somebody")
def test_who_may_not_use_a_file_is_told_whose_it_is_who_they_are_and_what_to_do(tmp_path):
    file = tmp_path / "okta.token"
    file.touch(0o600)

    assert why(refused(file), file) == (
        f"Permission denied: {file} belongs to {ME}, mode 0600, and this runs as uid 4711: "
        f"run it as {ME}, or give it to uid 4711 (chown 4711 {file})"
    )


def test_who_owns_a_file_that_its_mode_keeps_from_them_is_told_to_change_that(tmp_path):
    file = tmp_path / "okta.token"
    file.touch()
    file.chmod(0o200)

    assert why(refused(file), file).endswith(
        f"mode 0200, and this runs as its owner, {ME}: chmod u+rwX {file}"
    )


@pytest.mark.usefixtures("somebody")
def test_where_a_file_is_not_seen_its_folder_is_named(tmp_path):
    assert why(refused(tmp_path), tmp_path / "none").startswith(f"Permission denied: {tmp_path} belongs to ")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        pytest.param(errno.ENOSPC, "No space left on device: make room on its disk", id="full"),
        pytest.param(errno.EIO, "Input/output error", id="no cure is known"),
    ],
)
def test_other_faults_of_a_file_say_what_is_known(tmp_path, number, told):
    assert why(refused(tmp_path, number), tmp_path) == told
