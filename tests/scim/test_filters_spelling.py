import pytest

from gateway.scim.filters import spelled
from gateway.scim.grammar import parse_filter
from gateway.scim.names import ENTERPRISE_USER, resource


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        pytest.param('username Eq "A"', 'userName eq "A"', id="an attribute"),
        pytest.param(
            'EMAILS[TYPE eq "Work" and not (Value sw "a")]',
            'emails[type eq "Work" and not (value sw "a")]',
            id="in brackets",
        ),
        pytest.param("not (NAME.GIVENNAME pr)", "not (name.givenName pr)", id="a sub-attribute"),
        pytest.param(
            f'{ENTERPRISE_USER.lower()}:Manager.VALUE eq "1"',
            f'{ENTERPRISE_USER}:manager.value eq "1"',
            id="in an extension",
        ),
        pytest.param('Own.Thing eq "A" or Own pr', 'Own.Thing eq "A" or Own pr', id="nobody knows it"),
        pytest.param('urn:x:y:Title eq "A"', 'urn:x:y:Title eq "A"', id="of another extension"),
    ],
)
def test_a_target_is_asked_in_the_standards_spelling(sent, asked):
    assert str(spelled(parse_filter(sent), resource("User"))) == asked
