"""Behind a proxy: whose word about the client's address is taken, as the trail has it."""

import pytest

from tests.support.served import ANN, CONFIG, USERS

LISTEN = 'listen = "127.0.0.1:0"'


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        pytest.param([], "198.51.100.7", "127.0.0.1", id="nobody is trusted"),
        pytest.param(["10.0.0.0/8"], "198.51.100.7", "127.0.0.1", id="somebody else is trusted"),
        pytest.param(["127.0.0.0/8"], "198.51.100.7", "198.51.100.7", id="the proxy is trusted"),
        pytest.param(
            ["127.0.0.1", "10.0.0.0/8"], "6.6.6.6, 198.51.100.7:443, 10.0.0.2", "198.51.100.7", id="two"
        ),
    ],
)
async def test_the_client_in_the_trail_is_whom_a_trusted_proxy_names(
    serve, trusted: list[str], forwarded: str, expected: str
) -> None:
    keys = f"{LISTEN}\ntrusted_proxies = {trusted}"
    served = await serve(config=CONFIG.replace(LISTEN, keys))

    await served.ask("POST", USERS, ANN, **{"X-Forwarded-For": forwarded})
    await served.ask("POST", USERS, ANN, token=None, **{"X-Forwarded-For": forwarded})

    assert [event["client"]["ip"] for event in await served.events()] == [expected, expected]
