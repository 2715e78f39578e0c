"""HTTP as the bench's helpers speak it."""

import pytest

from bench.wire import Buffer, Message, answer, request, status_of

PUT = request("PUT", "/Users/1", b'{"a":1}', "token")
GET = request("GET", "/Users/1", b"", "token")
BOTH = [Message(b"PUT /Users/1 HTTP/1.1", b'{"a":1}'), Message(b"GET /Users/1 HTTP/1.1", b"")]


def taken(pieces):
    buffer, found = Buffer(), []
    for piece in pieces:
        buffer.feed(piece)
        while (message := buffer.take()) is not None:
            found.append(message)
    return found


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_messages_are_found_however_they_are_cut(size):
    data = PUT + GET

    assert taken(data[start : start + size] for start in range(0, len(data), size)) == BOTH


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(b"201 Created", b"{}", id="with a body"),
        pytest.param(b"204 No Content", b"", id="without"),
    ],
)
def test_an_answer_is_read_as_it_was_written(status, body):
    [message] = taken([answer(status, body)])

    assert (status_of(message), message.body) == (int(status[:3]), body)


def test_a_body_that_is_not_counted_is_refused():
    with pytest.raises(ValueError, match="chunked"):
        taken([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
