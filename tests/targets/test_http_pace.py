"""Calls that are evenly spaced, however many of them a change takes."""

import pytest

from gateway.flow.target_port import Crowded
from gateway.targets.http import PacedTransport
from gateway.targets.transport import Call, HttpReply

CALL = Call("GET", "https://target.test")


class Line:
    """Notes when each call goes out, on a clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[float] = []

    async def send(self, call: Call) -> HttpReply:
        self.sent.append(self.now)
        return HttpReply(200)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def line() -> Line:
    return Line()


def paced(line: Line, patience: float = 10.0) -> PacedTransport:
    return PacedTransport(line, 20.0, patience, lambda: line.now, line.sleep)


async def test_calls_go_out_at_the_rate_and_the_first_at_once(line: Line) -> None:
    transport = paced(line)

    for send in (transport.send, transport.follow, transport.send):
        assert await send(CALL) == HttpReply(200)

    assert line.sent == pytest.approx([100.0, 100.05, 100.1])


async def test_who_has_been_quiet_has_saved_nothing_up(line: Line) -> None:
    transport = paced(line)
    await transport.send(CALL)
    line.now += 60.0

    await transport.send(CALL)
    await transport.send(CALL)

    assert line.sent == pytest.approx([100.0, 160.0, 160.05])


async def test_a_call_whose_turn_comes_too_late_is_refused_but_not_one_that_ends_what_is_begun(
    line: Line,
) -> None:
    transport = paced(line, patience=0.01)
    await transport.send(CALL)

    with pytest.raises(Crowded) as refused:
        await transport.send(CALL)
    await transport.follow(CALL)

    assert refused.value.retry_after == pytest.approx(0.05)
    assert line.sent == pytest.approx([100.0, 100.05])
