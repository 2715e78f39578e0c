"""What services may be unable to do is told in one table."""

import tomllib

import pytest

from gateway.settings.target_tables import TargetTable
from gateway.targets.scim.abilities import LACKS


@pytest.mark.parametrize("lack", [pytest.param(lack, id=lack.name) for lack in LACKS])
def test_every_lack_can_be_said_or_is_found_out(lack):
    TargetTable.model_validate(tomllib.loads(lack.key))

    assert lack.key or lack.found
    assert lack.made_good


def test_every_lack_has_a_name_of_its_own():
    assert len({lack.name for lack in LACKS}) == len(LACKS)
