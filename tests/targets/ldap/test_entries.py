"""An entry's values as texts and back."""

import uuid

import pytest

from gateway.flow.target_port import Refused
from gateway.targets.ldap.entries import Raw, encoded, meta_of, plain_attributes, read_id, shown, sought_id

GUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("ä", ["ä".encode()], id="text"),
        pytest.param(["a", "b", "a"], [b"a", b"b"], id="texts, each once"),
        pytest.param(True, [b"TRUE"], id="true"),
        pytest.param([7, 1.5], [b"7", b"1.5"], id="numbers"),
        pytest.param(None, [], id="null"),
        pytest.param("", [], id="an empty text"),
        pytest.param(["", None], [], id="a list of nothing"),
    ],
)
def test_a_value_is_written(value, expected):
    assert encoded("title", value) == expected


@pytest.mark.parametrize("value", [{"a": 1}, ["a", ["b"]], "\ud800"])
def test_what_is_no_text_is_refused_by_name_and_not_by_value(value):
    with pytest.raises(Refused, match=r"^title: [a-zA-Z ,]+$"):
        encoded("title", value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([b"a"], "a", id="one"),
        pytest.param([b"a", b"b"], ["a", "b"], id="several"),
        pytest.param([b"\xff\xd8"], None, id="a picture"),
        pytest.param([b"\xff", b"a"], "a", id="one that is text"),
    ],
)
def test_a_value_is_shown(values, expected):
    assert shown(values) == expected


def test_an_entry_shows_neither_secrets_nor_pictures_nor_what_has_names_of_ours():
    hidden = ["userPassword", "UNICODEPWD", "jpegPhoto", "objectClass", "userName", "active", "cn;lang-ja"]
    raw = Raw("uid=a", {name: [b"x"] for name in hidden} | {"sn": [b"Lee"], "audio": [b"x"]})

    assert dict(plain_attributes(raw)) == {"sn": "Lee"}


def test_an_attribute_is_found_in_any_case():
    raw = Raw("uid=a", {"entryUUID": [b"1"], "cn": [b"\xff", b"Ann"]})

    assert (raw.first("entryuuid"), raw.first("CN"), raw.first("sn")) == ("1", "Ann", None)


@pytest.mark.parametrize(
    ("attribute", "value", "id"),
    [
        pytest.param("entryUUID", b"7a9", "7a9", id="text"),
        pytest.param("objectGUID", GUID.bytes_le, str(GUID), id="Microsoft's order"),
    ],
)
def test_an_id_is_read_and_searched_for(attribute, value, id):
    sought = sought_id(attribute, id)

    assert read_id(attribute, value) == id
    assert (sought if isinstance(sought, bytes) else sought.encode()) == value


@pytest.mark.parametrize("id", ["unknown", "", "00112233"])
def test_no_entry_has_an_object_guid_that_is_none(id):
    assert sought_id("objectGUID", id) is None
    assert read_id("objectGUID", id.encode()) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"20260102030405Z", {"created": "2026-01-02T03:04:05Z"}, id="whole seconds"),
        pytest.param(b"20260102030405.0Z", {"created": "2026-01-02T03:04:05Z"}, id="as Microsoft writes it"),
        pytest.param(b"yesterday", {}, id="no time"),
    ],
)
def test_the_times_of_an_entry_are_written_as_scim_does(text, expected):
    assert meta_of(Raw("uid=a", {"createTimestamp": [text]})) == expected
