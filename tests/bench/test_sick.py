"""Services that fall ill: what each mood sends."""

import pytest

from bench.people import dumps, person
from bench.sick import MOODS, MoodyConnection, Service
from bench.wire import request


class Wire:
    """Takes what is sent."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_cut = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def abort(self) -> None:
        self.is_cut = True

    def is_closing(self) -> bool:
        return self.is_cut


SENT = {  # mood -> how the answer begins, at once; whether the connection is cut; whether the person is there
    "well": (b"HTTP/1.1 201 Created\r\n", False, 1),
    "hangs": (b"", False, 0),
    "refuses": (b"HTTP/1.1 503 Service Unavailable\r\n", False, 0),
    "trickles": (b"H", False, 0),
    "cuts": (b"", True, 0),
}


@pytest.mark.parametrize("mood", MOODS)
async def test_a_service_answers_as_its_mood_is_and_counts_what_it_is_asked(mood: str) -> None:
    service, wire = Service(), Wire()
    service.mood = mood
    connection = MoodyConnection(service)
    connection.connection_made(wire)

    connection.data_received(request("POST", "/Users", dumps(person(1)), "token"))

    begins, is_cut, people = SENT[mood]
    said = wire.sent.partition(b"\r\n")
    assert (said[0] + said[1], wire.is_cut, len(service.directory.people)) == (begins, is_cut, people)
    assert service.asked == 1
