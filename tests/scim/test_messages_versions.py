import pytest

from gateway.scim.messages import is_known, is_meant, parse_tags, tells_members, version

GROUP = {"displayName": "Sales"}
BARE, FULL = version(GROUP), version(GROUP, ["1", "2"])


def bare(tag):
    return parse_tags(tag)


def test_a_version_tells_documents_apart_by_content_alone():
    one = version({"userName": "a", "title": "b", "meta": {"version": "1"}})

    assert one == version({"title": "b", "userName": "a", "meta": {"version": "2"}})
    assert one != version({"userName": "a"})
    assert one.startswith('W/"')
    assert len(one) == len('W/""') + 16


def test_members_make_a_part_of_their_own_in_any_order():
    assert version(GROUP, ["2", "1"]) == FULL
    assert FULL.startswith(BARE.removesuffix('"') + ".")
    assert len({BARE, FULL, version(GROUP, []), version(GROUP, ["1"])}) == 4


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        pytest.param("", (), id="none"),
        pytest.param('W/"a"', ("a",), id="weak"),
        pytest.param('"a"', ("a",), id="strong"),
        pytest.param("a", ("a",), id="without quotes"),
        pytest.param("W/a", ("a",), id="weak without quotes"),
        pytest.param("*", ("*",), id="any"),
        pytest.param('W/"a", "b c",d', ("a", "b c", "d"), id="a list"),
        pytest.param('"a,b"', ("a,b",), id="a comma of its own"),
        pytest.param('""', ("",), id="an empty one"),
    ],
)
def test_a_header_names_versions(header, tags):
    assert parse_tags(header) == tags


@pytest.mark.parametrize(
    ("tag", "present", "meant"),
    [
        pytest.param(BARE, BARE, True, id="the same"),
        pytest.param(FULL, FULL, True, id="the same with members"),
        pytest.param(BARE, FULL, True, id="whoever left members out means any"),
        pytest.param(FULL, BARE, False, id="with members, but they are not known"),
        pytest.param(FULL, version(GROUP, ["3"]), False, id="other members"),
        pytest.param(version({}), FULL, False, id="another"),
        pytest.param(f"{version({})}, {BARE}", BARE, True, id="one of a list"),
        pytest.param("*", BARE, True, id="any"),
        pytest.param('""', BARE, False, id="an empty one"),
    ],
)
def test_a_change_is_meant_for_the_versions_it_names(tag, present, meant):
    assert is_meant(bare(tag), present) is meant


@pytest.mark.parametrize(
    ("tag", "answer", "known"),
    [
        pytest.param(BARE, BARE, True, id="the same"),
        pytest.param(FULL, FULL, True, id="the same with members"),
        pytest.param(FULL, BARE, True, id="more than is asked for"),
        pytest.param(BARE, FULL, False, id="less than is asked for"),
        pytest.param(FULL, version(GROUP, []), False, id="other members"),
        pytest.param("*", BARE, True, id="any"),
        pytest.param("", BARE, False, id="none"),
    ],
)
def test_an_answer_is_known_to_who_has_all_of_it(tag, answer, known):
    assert is_known(bare(tag), answer) is known


def test_a_tag_tells_whether_it_is_about_members():
    assert tells_members(bare(f"{BARE}, {FULL}"))
    assert not tells_members(bare(f'{BARE}, "x"'))
