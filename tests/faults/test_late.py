"""What recovery itself has sent may arrive late, too."""

from dataclasses import dataclass, field

import pytest

from gateway.errors import Busy
from gateway.mapping.target import TargetMapping
from tests.support.world import Process, World

ANN = {"userName": "ann@x", "externalId": "1", "active": True, "title": "A"}


@dataclass
class Planned(World):
    """Fails as planned: the next call of that kind in that way."""

    plan: list[tuple[str, str]] = field(default_factory=list)

    def fails(self, kind: str) -> str | None:
        super().fails(kind)
        return self.plan.pop(0)[1] if self.plan and self.plan[0][0] == kind else None


async def test_a_change_that_recovery_sent_late_does_not_undo_a_newer_one() -> None:
    world = Planned()
    process = Process(world, TargetMapping())
    id = (await process.change("create", ANN, None)).document["id"]
    world.plan = [("write", "request lost"), ("read", "500"), ("write", "applied late")]
    with pytest.raises(Busy):
        await process.change("replace", ANN | {"title": "B"}, id)
    await world.sleep(60)
    await process.recovery.sweep(process.target)

    await process.change("replace", ANN | {"title": "C"}, id)

    await world.sleep(60)
    assert (world.plan, world.entries[id]["title"]) == ([], "C")
