"""What a database cannot keep or find is refused with what is wrong, and nothing is left of it."""

import asyncio
import random

import pytest

from gateway.errors import InvalidValue
from gateway.flow.journal_port import Key, Outcome, Settlement
from gateway.flow.target_port import ResourceType

LONG = random.Random(1).randbytes(5000).hex()  # nothing alike in it that could make it short


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param("a\x00b", "a NUL character", id="NUL"),
        pytest.param(LONG, "longer than the journal's database can look up", id="long"),
    ],
)
async def test_a_key_that_cannot_be_kept_is_refused_alone(postgresql, intent, value, said):
    begun = await postgresql.operations.claim(intent())

    with pytest.raises(InvalidValue, match=said):
        await postgresql.operations.claim(intent("op-2", keys=(Key("external", value),)))
    assert await postgresql.operations.open("cx", []) == (begun,)


async def test_who_comes_in_the_same_batch_is_recorded(postgresql, intent):
    intents = [
        intent(f"op-{n}", keys=(Key("name", name),)) for n, name in enumerate(("a", LONG, "b\x00", "c"))
    ]

    claims = await asyncio.gather(*map(postgresql.operations.claim, intents), return_exceptions=True)

    assert [isinstance(claim, InvalidValue) for claim in claims] == [False, True, True, False]
    assert await postgresql.operations.open("cx", []) == (claims[0], claims[3])


async def test_who_is_looked_for_by_a_key_with_a_nul_is_told_of_it(postgresql):
    with pytest.raises(InvalidValue, match="a NUL character"):
        await postgresql.resources.find("cx", ResourceType.USER, [Key("name", "a\x00b")])
    assert await postgresql.resources.find("cx", ResourceType.USER, [Key("name", "ab")]) == ()


async def test_ids_of_targets_and_e_mail_addresses_are_found_however_long_they_are(
    postgresql, intent, event, resource
):
    made = resource(links={"cx": LONG, "pbx": None})
    made.original["emails"] = [{"value": f"{LONG}@Example.com"}]
    operation = await postgresql.operations.claim(intent())
    await postgresql.operations.settle(operation, Settlement(Outcome.APPLIED, event(), made))

    assert await postgresql.resources.read("cx", made.type, "cx", [LONG]) == {LONG: made}
    by_address = Key("email", f"{LONG}@Example.com".casefold())
    assert await postgresql.resources.find("cx", made.type, [by_address]) == (made,)


async def test_a_nul_within_an_intent_is_in_no_erasures_way(postgresql, intent):
    await postgresql.operations.claim(intent(wanted={"title": "a\x00b"}, original={"title": "\\u0000"}))

    asked = "SELECT json_extract(intent, '$.state'), json_extract(intent, '$.original') FROM op"
    found = await postgresql.database.read(lambda connection: connection.execute(asked).fetchall())
    assert found == [("active", '{"title":"\\\\ufffd"}')]
