"""Calls over real connections, and all that can happen to them."""

import asyncio
import errno
import gzip
import html
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.test_utils import TestServer

from gateway import __version__
from gateway.address import Auth, Basic, Bearer, Header, Secret
from gateway.flow.target_port import Errand, Late, Nonsense, Silent, TargetError, Unreachable, errand
from gateway.log import correlation_id
from gateway.targets.http import HttpTransport, certificates
from gateway.targets.oauth import Client
from gateway.targets.transport import Call, HttpReply

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "s3cret-s3cret"
MIB = 1024 * 1024
BOMB = gzip.compress(bytes(64 * MIB))


class Service:
    """A target that behaves as told and remembers what it was asked."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.asked: list[web.Request] = []
        self._behaviour = behaviour
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    def call(self, method: str = "GET", path: str = "/scim/Users/1", body: bytes | None = None) -> Call:
        return Call(method, f"http://127.0.0.1:{self.server.port}{path}", body)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self._behaviour(request)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Behaviour], Awaitable[Service]]]:
    started = []

    async def start(behaviour: Behaviour) -> Service:
        service = Service(behaviour)
        started.append(service.server)
        await service.server.start_server()
        return service

    yield start
    for server in started:
        await server.close()


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Behaviour:
    async def behaviour(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return behaviour


def raw(data: bytes, *, then_hang: bool = False) -> Behaviour:
    async def behaviour(request: web.Request) -> web.StreamResponse:
        request.transport.write(data)
        if then_hang:
            await asyncio.Event().wait()
        request.transport.close()
        return web.Response()

    return behaviour


async def reset(request: web.Request) -> web.StreamResponse:
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, for 0 seconds: close sends RST
    request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    request.transport.abort()
    return web.Response()


async def test_a_call_is_carried_there_and_its_answer_back(serve, session):
    service = await serve(answer(409, b'{"detail": "x"}', Retry_After="7"))

    reply = await HttpTransport(session).send(service.call("PUT", body=b'{"a":1}'))

    assert (reply.status, reply.body, reply.headers["retry-after"]) == (409, b'{"detail": "x"}', "7")
    (asked,) = service.asked
    assert asked.method == "PUT"
    assert asked.headers["Content-Type"] == asked.headers["Accept"] == "application/scim+json"
    assert asked.headers["User-Agent"] == f"scim-gateway/{__version__}"
    assert asked.headers["Content-Length"] == "7"


async def test_a_call_without_body_has_no_content_type(serve, session):
    service = await serve(answer())

    await HttpTransport(session).send(service.call())

    assert "Content-Type" not in service.asked[0].headers
    assert "Authorization" not in service.asked[0].headers


@pytest.mark.parametrize(
    "path", ["/Users/%2E%2E", "/Users/a%2Fb%3Fc%23d", "/Users/%252e", "/Users?filter=a%20eq%20%22b%26c%2B%22"]
)
async def test_the_url_goes_out_as_it_was_encoded(serve, session, path):
    service = await serve(answer())

    await HttpTransport(session).send(service.call(path=path))

    assert service.asked[0].raw_path == path


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        pytest.param(Bearer(Secret(SECRET)), "Authorization", f"Bearer {SECRET}", id="bearer"),
        pytest.param(
            Bearer(Secret(SECRET), "bearer"), "Authorization", f"bearer {SECRET}", id="a word of its own"
        ),
        pytest.param(Basic("ann", Secret("pä:ss")), "Authorization", "Basic YW5uOnDDpDpzcw==", id="basic"),
        pytest.param(Header("X-Api-Key", Secret(SECRET)), "X-Api-Key", SECRET, id="a header"),
    ],
)
async def test_credentials_go_into_one_header(serve, session, auth: Auth, name, value):
    service = await serve(answer())

    await HttpTransport(session, auth).send(service.call())

    assert service.asked[0].headers.getall(name) == [value]


@pytest.mark.parametrize(
    "auth", [Bearer(Secret(SECRET)), Basic("ann", Secret(SECRET)), Header("X-Api-Key", Secret(SECRET))]
)
def test_credentials_are_never_shown(auth: Auth):
    assert SECRET not in repr(auth)


@pytest.mark.parametrize(
    "auth", [Bearer(Secret(SECRET)), Basic("ann", Secret(SECRET)), Header("X-Api-Key", Secret(SECRET))]
)
async def test_a_target_that_repeats_our_credentials_is_not_repeated(serve, session, auth: Auth):
    said = f'{{"detail": "unknown: {SECRET} in {auth.header()[1]}"}}'.encode()
    service = await serve(answer(401, said))

    reply = await HttpTransport(session, auth).send(service.call())

    assert not any(secret.encode() in reply.body for secret in auth.secrets())


ODD = 'ab/cd+"é\\'
FORMS = {  # how a target may write our token
    "as it is": lambda text: text,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with more escapes": lambda text: json.dumps(text)[1:-1].replace("/", r"\/").replace("+", r"\u002B"),
    "JSON of nothing else": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text).replace("/", r"\/")[1:-1])[1:-1],
    "a URL": lambda text: quote(text, safe=""),
    "a URL in lower case": lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    "a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "HTML": html.escape,
    "HTML of numbers": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "HTML of hex numbers": lambda text: "".join(f"&#x{ord(letter):X};" for letter in text),
    "HTML of long numbers": lambda text: "".join(f"&#{ord(letter):04};" for letter in text),
    "HTML of long hex numbers": lambda text: "".join(f"&#X{ord(letter):04x};" for letter in text),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    ("auth", "repeated"),
    [
        pytest.param(Bearer(Secret(ODD)), ODD, id="a token"),
        pytest.param(Basic("ann", Secret(ODD)), ODD, id="a password"),
        pytest.param(Basic("??>", Secret("??>??>??>")), "Pz8+Oj8/Pj8/Pj8/Pg==", id="Basic"),
        pytest.param(Basic("??>", Secret("??>??>??>")), "Pz8+Oj8/Pj8/Pj8/Pg", id="Basic without padding"),
        pytest.param(Header("X-Key", Secret(ODD)), ODD, id="a header"),
        pytest.param(Header("Authorization", Secret(f"Token {ODD}")), ODD, id="a header's token"),
        pytest.param(
            Header("Authorization", Secret("Basic YTplaWdodC04KyM=")), "eight-8+#", id="its password"
        ),
    ],
)
async def test_our_secrets_are_blotted_however_a_target_spells_them(serve, session, auth, repeated, form):
    service = await serve(answer(401, f"no {form(repeated)}, sorry".encode()))

    reply = await HttpTransport(session, auth).send(service.call())

    assert reply.body == b"no ***, sorry"


@pytest.mark.parametrize(("secret", "shown"), [("12345678", "is ***"), ("1234567", "is 1234567")])
async def test_a_secret_of_eight_characters_is_blotted_and_no_shorter_one(serve, session, secret, shown):
    service = await serve(answer(401, f"is {secret}".encode()))

    reply = await HttpTransport(session, Bearer(Secret(secret))).send(service.call())

    assert reply.body.decode() == shown


async def test_of_a_secret_within_another_nothing_is_left(serve, session):
    client = Client("ann", "abcdefgh")
    service = await serve(answer(401, b"abcdefgh and YW5uOmFiY2RlZmdo and abcdefghi"))

    reply = await HttpTransport(session, client).send(service.call())

    assert reply.body == b"*** and *** and ***i"


@pytest.mark.parametrize("text", [r"50% of \"this\" \/ \u00e9 &#38; &amp;", "====", ""])
async def test_what_is_no_secret_stays(serve, session, text):
    service = await serve(answer(200, text.encode()))

    assert (await HttpTransport(session, Bearer(Secret("=" * 9))).send(service.call())).body == text.encode()


async def test_the_target_learns_the_correlation_id(serve, session):
    service = await serve(answer())
    token = correlation_id.set("c-1")

    await HttpTransport(session).send(service.call())

    correlation_id.reset(token)
    assert service.asked[0].headers["X-Correlation-Id"] == "c-1"


async def test_cookies_are_not_kept(serve, session):
    service = await serve(answer(Set_Cookie="session=1"))
    transport = HttpTransport(session)

    url = service.call().url.replace("127.0.0.1", "localhost")  # cookies of bare addresses are never kept

    for _ in range(2):
        await transport.send(Call("GET", url))

    assert [request.headers.get("Cookie") for request in service.asked] == [None, None]


async def test_a_proxy_of_the_environment_is_not_used(serve, session, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    service = await serve(answer())

    assert (await HttpTransport(session).send(service.call())).status == 200


async def test_a_redirect_is_not_followed(serve, session):
    service = await serve(answer(307, b"", Location="/elsewhere"))

    assert (
        await HttpTransport(session, Bearer(Secret(SECRET))).send(service.call("POST", body=b"{}"))
    ).status == 307
    assert len(service.asked) == 1


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        pytest.param(reset, Silent, id="reset"),
        pytest.param(raw(b""), Silent, id="closed without a word"),
        pytest.param(raw(HEAD + b"Content-Length: 9\r\n\r\n{"), Silent, id="half a body"),
        pytest.param(
            raw(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"), Silent, id="no gzip"
        ),
        pytest.param(raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Nonsense, id="no HTTP"),
        pytest.param(answer(200, bytes(MIB + 1)), Nonsense, id="a huge body"),
        pytest.param(answer(200, BOMB, Content_Encoding="gzip"), Nonsense, id="a gzip bomb"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_what_breaks_after_it_was_sent_may_have_been_done_and_is_sent_once(
    serve, session, behaviour, error, method
):
    service = await serve(behaviour)

    with pytest.raises(error) as raised:
        await HttpTransport(session, Bearer(Secret(SECRET)), max_bytes=MIB).send(
            service.call(method, body=b"{}")
        )

    assert raised.value.maybe_applied
    assert SECRET not in str(raised.value)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a header"),
        pytest.param(HEAD + b"Content-Length: 9\r\n\r\n{", id="half a body"),
    ],
)
async def test_a_slow_target_is_not_waited_for(serve, session, said):
    service = await serve(raw(said, then_hang=True))

    with pytest.raises(Silent, match="in time"):
        await HttpTransport(session, timeout=0.5).send(service.call("POST", body=b"{}"))

    assert len(service.asked) == 1


async def test_a_gzip_bomb_does_not_fill_the_memory(serve, session):
    service = await serve(answer(200, BOMB, Content_Encoding="gzip"))
    tracemalloc.start()

    with pytest.raises(Nonsense):
        await HttpTransport(session, max_bytes=MIB).send(service.call())

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MIB


async def test_an_answer_of_just_the_allowed_size_is_read(serve, session):
    service = await serve(answer(200, bytes(MIB)))

    assert await _size(HttpTransport(session, max_bytes=MIB), service.call()) == MIB


async def test_a_refused_port_means_that_nothing_was_sent(session):
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        call = Call("POST", f"http://127.0.0.1:{unused.getsockname()[1]}/Users", b"{}")

        with pytest.raises(Unreachable) as raised:
            await HttpTransport(session).send(call)

    assert not raised.value.maybe_applied


async def test_a_target_that_speaks_no_tls_is_sent_nothing(serve, session):
    service = await serve(answer())
    call = Call("POST", service.call().url.replace("http:", "https:"), b"{}")

    with pytest.raises(Unreachable):
        await HttpTransport(session).send(call)

    assert service.asked == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("user-agent", ["agent-1"]),
        ("ACCEPT", ["application/scim+json"]),
        ("content-type", ["application/scim+json"]),
    ],
)
async def test_no_header_is_sent_twice_however_it_is_spelled(serve, session, name: str, said: list[str]):
    service = await serve(answer())

    await HttpTransport(session, Header(name, Secret("agent-1"))).send(service.call("POST", body=b"{}"))

    assert service.asked[0].headers.getall(name) == said


@pytest.fixture
def certificate(tmp_path: Path) -> Iterator[Path]:
    """Make a certificate that signs itself; what is trusted is looked up anew."""
    if shutil.which("openssl") is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("openssl is not installed: apt-get install openssl")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1"
    names = ["-subj", "/CN=target.example", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    certificates.cache_clear()
    yield tmp_path / "cert.pem"
    certificates.cache_clear()


@pytest.mark.parametrize("scheme", ["https:", "HTTPS:"])
@pytest.mark.parametrize(
    ("is_trusted", "host", "says"),
    [
        pytest.param(True, "127.0.0.1", None, id="trusted"),
        pytest.param(False, "127.0.0.1", "self-signed certificate", id="not trusted"),
        pytest.param(True, "localhost", "Hostname mismatch", id="another name's"),
    ],
)
async def test_over_tls_only_whom_this_system_trusts_by_that_name_is_sent_something(
    certificate, session, monkeypatch, is_trusted: bool, host: str, says: str | None, scheme: str
):
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    service, context = Service(answer()), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    await service.server.start_server(ssl=context)
    url = service.call().url.replace("http:", scheme).replace("127.0.0.1", host)

    (answered,) = await asyncio.gather(HttpTransport(session).send(Call("GET", url)), return_exceptions=True)

    await service.server.close()
    assert len(service.asked) == (says is None)
    if says is None:
        assert isinstance(answered, HttpReply)
    else:
        assert isinstance(answered, Unreachable)
        assert f"is not trusted: {says}" in answered.reason


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_why_nobody_is_reached_is_told_in_words_of_ours(session, scheme: str):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            await HttpTransport(session).send(Call("GET", f"{scheme}://127.0.0.1:{port}/"))

    assert caught.value.reason == f"nobody listens on 127.0.0.1:{port}"


async def test_a_service_without_tls_is_told_of_in_words_of_ours(serve, session):
    service = await serve(answer())
    call = Call("GET", service.call().url.replace("http:", "https:"))

    with pytest.raises(Unreachable, match="does not speak TLS as this system wants it: "):
        await HttpTransport(session).send(call)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        pytest.param(
            socket.gaierror(-2, "Name or service not known"),
            "the name scim.example.com is not known here: Name or service not known",
            id="name",
        ),
        pytest.param(
            OSError(errno.ENETUNREACH, "Connect call failed"),
            "scim.example.com:443 cannot be reached: Network is unreachable",
            id="network",
        ),
        pytest.param(OSError("odd"), "scim.example.com:443 cannot be reached", id="unknown"),
    ],
)
async def test_why_a_host_is_not_reached_is_told_in_words_of_ours(session, monkeypatch, cause, said: str):
    key = ConnectionKey("scim.example.com", 443, True, True, None, None, None)

    async def connect(*asked, **how):
        raise aiohttp.ClientConnectorError(key, cause)

    monkeypatch.setattr(session.connector, "connect", connect)
    with pytest.raises(Unreachable) as caught:
        await HttpTransport(session).send(Call("GET", "https://scim.example.com/"))

    assert caught.value.reason == said


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux drops what a full backlog cannot take")
async def test_a_connection_that_nobody_takes_means_that_nothing_was_sent(session):
    with (
        closing(socket.socket()) as full,
        closing(socket.socket()) as first,
        closing(socket.socket()) as second,
    ):
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())

        with pytest.raises(Unreachable):
            await HttpTransport(session, timeout=0.2).send(
                Call("GET", f"http://127.0.0.1:{full.getsockname()[1]}/")
            )


async def test_a_connection_is_used_again(serve, session):
    service = await serve(answer())

    for _ in range(2):
        await HttpTransport(session).send(service.call())

    first, second = service.asked
    assert first.transport is second.transport is not None


@pytest.mark.parametrize("reused", [False, True], ids=["a new connection", "an old connection"])
async def test_who_was_stopped_before_the_connection_was_there_changes_nothing_by_it(
    serve, session, reused: bool
):
    service = await serve(answer())
    transport = HttpTransport(session)
    if reused:
        await transport.send(service.call())
    asked = len(service.asked)

    errand.set(Errand(owned=time.monotonic() - 0.001))
    with pytest.raises(Late):
        await transport.send(service.call("PUT", body=b"{}"))
    assert len(service.asked) == asked
    errand.set(Errand(owned=time.monotonic() + 60.0))
    await transport.send(service.call("PUT", body=b"{}"))

    assert [request.method for request in service.asked[asked:]] == ["PUT"]


async def test_who_is_stopped_between_the_connection_and_the_body_sends_neither(serve, session, monkeypatch):
    service, now = await serve(answer()), 1000.0
    request_of = aiohttp.ClientRequest.send

    async def send(
        request: aiohttp.ClientRequest, connection: aiohttp.connector.Connection
    ) -> aiohttp.ClientResponse:
        nonlocal now
        sent = asyncio.ensure_future(request_of(request, connection))
        now = 2000.0
        return await sent

    monkeypatch.setattr(aiohttp.ClientRequest, "send", send)
    monkeypatch.setattr("gateway.targets.http.time", SimpleNamespace(monotonic=lambda: now))
    errand.set(Errand(owned=1500.0))

    with pytest.raises(Late):
        await HttpTransport(session).send(service.call("PUT", body=b"{}"))

    assert service.asked == []


async def test_errors_are_target_errors_with_their_cause(serve, session):
    service = await serve(reset)

    with pytest.raises(TargetError) as raised:
        await HttpTransport(session).send(service.call())

    assert isinstance(raised.value.__cause__, aiohttp.ClientError)


async def _size(transport: HttpTransport, call: Call) -> int:
    reply: HttpReply = await transport.send(call)
    return len(reply.body)
