"""scim2-tester, which knows nothing of the gateway, finds no fault in it: over either kind of SCIM target."""

import asyncio
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import CheckResult, Status, check_server

from tests.support.served import PHONEBOOK, TOKENS, Served, gateways

pytestmark = pytest.mark.long

EMBEDDED = """
[targets.other]
shared = true
connector = "embedded"
url = "sqlite:var/other.db"
require = ["name.familyName", "externalId", "title"]
"""
FOREIGN = """
[targets.other]
shared = true
connector = "scim"
url = "{url}/{tenant}/v2/"
auth = {{ bearer = {{ file = "token" }} }}
"""
GOOD = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}


class Tidy(SyncSCIMClient):
    """A client that deletes nothing twice: the judge cleans up after every check all that it ever made."""

    def delete(self, resource_model: Any, id: str, **options: Any) -> Any:
        """Delete what is not deleted yet."""
        gone = self.__dict__.setdefault("_gone", set())
        if id in gone:
            return None
        answer = super().delete(resource_model, id, **options)
        gone.add(id)
        return answer


@pytest.fixture(params=["embedded", "scim2-server"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The target that the judged gateway has."""
    if request.param == "embedded":
        return EMBEDDED
    url, token = request.getfixturevalue("scim2_server")
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    return FOREIGN.format(url=url, tenant=uuid.uuid4().hex)


def judged(served: Served) -> list[CheckResult]:
    url = f"http://127.0.0.1:{served.port}/scim/other/v2"
    with Client(base_url=url, headers={"Authorization": f"Bearer {TOKENS['rfc']}"}) as client:
        return list(check_server(Tidy(client)))


async def test_a_judge_who_knows_nothing_of_the_gateway_finds_no_fault(table: str, tmp_path: Path) -> None:
    async with gateways(tmp_path) as serve:
        results = await asyncio.to_thread(judged, await serve(PHONEBOOK, table))

    assert [str(result) for result in results if result.status not in GOOD] == []
    checked = Counter(result.resource_type for result in results)
    assert checked.keys() == {None, "User", "Group"}
    assert min(checked.values()) > 15  # all was looked at
