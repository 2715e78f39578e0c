"""`serve`: runs the gateway until it is told to stop."""

import asyncio
import gc
import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from gateway.cli.output import CONFIG, Config, ExitStatus, Stop, read_settings
from gateway.users import why

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.settings import Settings


def serve(config: Config = CONFIG) -> None:
    """Run the gateway; print each target with its base URL, and make missing inbound token files."""
    from gateway.log import set_up_logging

    gc.disable()  # what is made until the gateway listens stays to the end
    try:
        settings = read_settings(config, make_tokens=True, read_secrets=True)
        set_up_logging(sys.stderr)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(settings))
    finally:
        gc.enable()


def announce(settings: "Settings", port: int) -> None:
    """Tell people where the gateway is, and where its new tokens are."""
    for address, targets in settings.addresses.items():
        what = (
            f"route {address} ({', '.join(targets)})" if address in settings.routes else f"target {address}"
        )
        print(f"{what}: {settings.server.public_url}/scim/{address}/v2")
    for name in settings.phonebooks:
        print(f"phone book {name}: {settings.server.public_url}/phonebook/{name}")
    for file in settings.made_tokens:
        print(f"token made: {file}")
    print(f"listening on port {port}; Ctrl+C stops", flush=True)


async def _run(settings: "Settings") -> None:
    from gateway.log import get_logger

    stop = _stopped_by_signal()
    async with AsyncExitStack() as stack:
        with without_certificates():
            from gateway.app import open_gateway

        _warn(settings)
        gateway = await stack.enter_async_context(open_gateway(settings))
        port = await _listen(gateway, stack)
        announce(gateway.settings, port)
        _spare_the_collector()
        await stop.wait()
    # leaving the stack has drained: what was under way has ended, and nothing new was taken
    get_logger().info("gateway.stopped")


# a request makes hundreds of objects and leaves no circle behind, so few rounds find anything
ROUNDS: Final = (20_000, 20, 20)


def _spare_the_collector() -> None:
    """Let the collector look no more at what is there, and begin its rounds with what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*ROUNDS)
    gc.enable()


@contextmanager
def without_certificates() -> Iterator[None]:
    """Spare aiohttp reading all of the system's twice, which takes 50 ms: `targets/http.py` has its own."""
    name = "SSL_CERT_FILE"
    told = os.environ.get(name)
    os.environ[name] = os.devnull
    try:
        yield
    finally:
        del os.environ[name]
        if told is not None:
            os.environ[name] = told


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # as on Windows
        return None
    return uvloop.new_event_loop


def _stopped_by_signal() -> asyncio.Event:
    """Return what SIGTERM or SIGINT sets; a second signal changes nothing, as draining is bounded."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _listen(gateway: "Gateway", stack: AsyncExitStack) -> int:
    from gateway.app import serving

    try:
        return await stack.enter_async_context(serving(gateway))
    except ssl.SSLError as error:
        raise Stop("server.tls: certificate and key cannot be used together", ExitStatus.WRONG) from error
    except OSError as error:
        tls = gateway.settings.server.tls
        files = () if tls is None else (tls.key, tls.cert)
        file = next((file for file in files if not os.access(file, os.R_OK)), "a file")
        raise Stop(f"server.tls: {file} cannot be read: {why(error, file)}", ExitStatus.WRONG) from error


def _warn(settings: "Settings") -> None:
    from gateway.log import get_logger

    for warning in settings.warnings:
        get_logger().warning("config.doubted", reason=warning)
