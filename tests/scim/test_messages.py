from gateway.scim.messages import error_body, list_response, meta_of


def test_an_error_has_its_status_as_text():
    assert error_body(409, "taken [abc]", "uniqueness") == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "409",
        "detail": "taken [abc]",
        "scimType": "uniqueness",
    }


def test_an_error_without_a_type_has_no_type():
    assert "scimType" not in error_body(404, "gone", None)


def test_a_page_says_how_many_it_really_holds():
    assert list_response([{"id": "1"}], 7, 3) == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 7,
        "startIndex": 3,
        "itemsPerPage": 1,
        "Resources": [{"id": "1"}],
    }


def test_meta_leaves_out_the_times_nobody_knows():
    assert meta_of("User", None, "2026-01-01T00:00:00Z", "https://x/Users/1", 'W/"1"') == {
        "resourceType": "User",
        "lastModified": "2026-01-01T00:00:00Z",
        "location": "https://x/Users/1",
        "version": 'W/"1"',
    }
