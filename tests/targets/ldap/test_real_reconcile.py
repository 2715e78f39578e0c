"""`reconcile`, as it is typed, over real directories that others have changed by hand."""

import asyncio
import json

import pytest
import structlog

from gateway.cli import main
from tests.support.ldap_scene import USERS, person
from tests.support.real_scene import RealScene, real_scenes

PEOPLE = ("ann", "bob", "eve")


@pytest.fixture(params=["domain", "directory_389"])
def scene(request, tmp_path, monkeypatch) -> RealScene:
    """A directory with people, and the folder of a configuration; no gateway runs."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    server = request.getfixturevalue(request.param)
    monkeypatch.chdir(tmp_path)

    async def filled() -> RealScene:
        async with real_scenes(server, tmp_path) as opened:
            made = [await opened.ask("POST", USERS, person(name, title="Agent")) for name in PEOPLE]
            await opened.join("Sales", *made)
            return opened

    return asyncio.run(filled())


def test_what_an_administrator_has_changed_is_found_and_repaired(scene, capsys):
    def found(*words: str) -> set[tuple[str, str, str | None]]:
        main(["reconcile", "phonebook", *words, "--format", "ndjson"])
        rows = map(json.loads, capsys.readouterr().out.splitlines())
        return {(row["user_name"], row["finding"], row["path"]) for row in rows}

    dns = {dn.partition(",")[0].partition("=")[2]: dn for dn in scene.there()}
    scene.modify(dns["ann"], title="Boss")
    scene.server.root().delete_s(f"{dns['bob']},{scene.base}")
    edits = {("ann", "changed", "title"), ("bob", "missing", None)}

    assert edits <= (before := found())
    found("--repair")
    assert not edits & (after := found()), (before, after)
    assert scene.one(f"(&(title=Agent)({scene.directory.user_name}=ann))")
    assert len(scene.there()) == len(PEOPLE)
