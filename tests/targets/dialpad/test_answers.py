"""What Dialpad's answers mean, and what is none of its answers."""

import json
from typing import Any

import pytest

from gateway.flow.target_port import (
    Broken,
    Conflict,
    Denied,
    Missing,
    Nonsense,
    Refused,
    TargetError,
    Throttled,
)
from gateway.targets.dialpad.answers import (
    CursorPage,
    read_changed,
    read_collection,
    read_created,
    read_deleted,
    read_found,
    read_seats,
)
from gateway.targets.transport import HttpReply

ANN = {"id": "7", "state": "active", "emails": ["ann@example.com"]}


def reply(body: Any, status: int = 200, **headers: str) -> HttpReply:
    return HttpReply(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def raised(read: Any, *arguments: Any) -> TargetError:
    with pytest.raises(TargetError) as error:
        read(*arguments)
    return error.value


@pytest.mark.parametrize("id", ["7", 7], ids=["a text", "a number"])
def test_somebody_is_read_whether_the_id_is_a_text_or_a_number(id):
    user = ANN | {"id": id}

    assert read_created(reply(user), 0.0) == user
    assert read_found(reply(user), "7", 0.0) == user
    assert read_changed(reply(user), "7", 0.0) == user


def test_a_number_longer_than_others_can_hold_is_read_to_its_last_digit():
    assert read_found(reply(b'{"id": 9007199254740993}'), "9007199254740993", 0.0) is not None


@pytest.mark.parametrize("gone", [reply(ANN | {"state": "deleted"}), reply({"error": "none"}, 404)])
def test_who_is_deleted_is_nobody(gone):
    assert read_found(gone, "7", 0.0) is None
    assert isinstance(raised(read_changed, gone, "7", 0.0), Missing)


def test_a_delete_is_answered_with_somebody_who_is_deleted():
    read_deleted(reply(ANN | {"state": "deleted"}), "7", 0.0)

    assert isinstance(raised(read_deleted, reply({}, 404), "7", 0.0), Missing)
    assert isinstance(raised(read_deleted, reply(ANN), "7", 0.0), Nonsense)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (402, Refused),
        (413, Refused),
        (401, Denied),
        (403, Denied),
        (408, Broken),
        (409, Conflict),
        (429, Throttled),
        (500, Broken),
        (503, Broken),
        (301, Nonsense),
        (307, Nonsense),
    ],
)
def test_a_status_says_what_happened(status, kind):
    error = raised(read_created, reply({"error": {"code": status, "message": "no\nway"}}, status), 0.0)

    assert type(error) is kind
    assert (error.reason, error.status) == ("no way", status)


def test_what_it_asks_to_wait_is_heeded():
    assert raised(read_created, reply({}, 429, **{"retry-after": "7"}), 0.0).retry_after == 7.0


def test_an_error_in_words_that_nobody_has_published_is_told_as_it_came():
    assert raised(read_created, reply({"why": "plan"}, 400), 0.0).reason == '{"why":"plan"}'
    assert raised(read_created, reply(b"", 400), 0.0).reason == "the target answered 400 without a reason"


NO_ANSWERS = [
    pytest.param(reply(b"<html><h1>Sign in</h1></html>"), id="HTML"),
    pytest.param(reply(b"<html>", 400), id="HTML that refuses"),
    pytest.param(reply(b"<html>", 404), id="HTML that finds nothing"),
    pytest.param(reply(b'{"id": "7", "emai'), id="half a JSON"),
    pytest.param(reply(b""), id="nothing"),
    pytest.param(reply(b"[]"), id="a list"),
    pytest.param(reply({"error": {"message": "quota"}}), id="an error that says 200"),
    pytest.param(reply(ANN | {"errors": ["quota"], "items": []}), id="an error beside it"),
    pytest.param(reply(b'{"id": "7", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}"), id="far too deep"),
    pytest.param(reply(b'{"id": "7", "x": [' + b"1," * 400_000 + b"1]}"), id="far too many values"),
    pytest.param(
        reply(b'{"id": "7", "emails": [' + b'"a",' * 20_000 + b'"a"]}'), id="more than one person has"
    ),
    pytest.param(reply({"id": "me"}), id="an id that is none"),
    pytest.param(reply({"kind": "person"}), id="no id"),
]


@pytest.mark.parametrize("nonsense", NO_ANSWERS)
@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda got: read_created(got, 0.0), id="create"),
        pytest.param(
            lambda got: read_changed(got, "7", 0.0) if got.status != 404 else read_created(got, 0.0),
            id="change",
        ),
    ],
)
def test_what_is_no_answer_leaves_a_change_in_doubt(read, nonsense):
    error = raised(read, nonsense)

    assert isinstance(error, Nonsense)
    assert error.maybe_applied


def test_somebody_else_is_no_answer():
    assert isinstance(raised(read_found, reply(ANN | {"id": "8"}), "7", 0.0), Nonsense)


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({"items": [ANN], "cursor": "c1"}, CursorPage((ANN,), "c1")),
        ({"items": [ANN], "cursor": ""}, CursorPage((ANN,))),
        ({"items": [], "cursor": None}, CursorPage(())),
        ({}, CursorPage(())),
        ({"cursor": "c1"}, CursorPage((), "c1")),
    ],
)
def test_a_list_is_read_though_what_is_empty_is_left_out(document, read):
    assert read_collection(reply(document), 0.0) == read


@pytest.mark.parametrize(
    "wrong",
    [
        *NO_ANSWERS[:7],
        pytest.param(reply({"Resources": []}), id="another list"),
        pytest.param(reply({"items": [{"id": "7"}] * 1001}), id="a page of thousands"),
        pytest.param(reply({"items": {}}), id="items that are no list"),
        pytest.param(reply({"items": [{"name": "x"}]}), id="an item without an id"),
        pytest.param(reply({"items": ["x"]}), id="an item that is no object"),
        pytest.param(reply({"items": [], "cursor": 7}), id="a cursor that is no text"),
    ],
)
def test_what_is_no_list_is_nonsense(wrong):
    assert isinstance(raised(read_collection, wrong, 0.0), Nonsense)


@pytest.mark.parametrize(
    ("written", "left"),
    [("4", 4), (0, 0), ("-1", -1), (None, None), ("", None), ("many", None), (True, None), ("9" * 30, None)],
)
def test_seats_are_counted_in_texts_or_numbers(written, left):
    assert read_seats(reply({"talk_lines": written}), "talk_lines", 0.0) == left
    assert read_seats(reply({}), "talk_lines", 0.0) is None
