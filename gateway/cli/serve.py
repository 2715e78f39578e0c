"""`serve`: runs the gateway until it is told to stop; `reload`: has it take its configuration anew."""

import asyncio
import gc
import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.output import CONFIG, ExitStatus, Stop, finished, read_settings
from gateway.cli.terminal import VARIABLE
from gateway.users import why

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.settings import Settings


def serve(config: Path = CONFIG) -> None:
    """Run the gateway; print each target with its base URL, and make missing inbound token files."""
    from gateway.log import set_up_logging

    hangups = _Hangups()
    gc.disable()  # what is made until the gateway listens stays to the end
    try:
        settings = read_settings(config, make_tokens=True, read_secrets=True)
        set_up_logging(sys.stderr)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(settings, hangups))
    finally:
        gc.enable()
        hangups.ignore()


def run(argv: Sequence[str]) -> int:
    """Do `serve` or `serve --config FILE`; return the exit status."""
    said = argv[2] if len(argv) > 1 else os.environ.get(VARIABLE)
    return finished(partial(serve, Path(said) if said else CONFIG), argv)


def announce(settings: "Settings", port: int) -> None:
    """Tell people where the gateway is, and where its new tokens are."""
    for address, targets in settings.addresses.items():
        what = (
            f"route {address} ({', '.join(targets)})" if address in settings.routes else f"target {address}"
        )
        print(f"{what}: {settings.server.public_url}/scim/{address}/v2")
    for name in settings.phonebooks:
        print(f"phone book {name}: {settings.server.public_url}/phonebook/{name}")
    if settings.console is not None:
        print(f"console: {settings.console_url}")
    for file in settings.made_tokens:
        print(f"token made: {file}")
    print(f"listening on port {port}; Ctrl+C stops", flush=True)


async def _run(settings: "Settings", hangups: "_Hangups") -> None:
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
        with hangups.heard() as hangup:
            reloading = asyncio.create_task(gateway.reloading.heed_signals(hangup))
            await stop.wait()
            reloading.cancel()
    # leaving the stack has drained: what was under way has ended, and nothing new was taken
    get_logger().info("gateway.stopped")


# a request makes hundreds of objects and leaves no circle behind, so few rounds find anything
ROUNDS: Final = (20_000, 20, 20)


def _spare_the_collector() -> None:
    """Let the collector never look at what is there, and begin its rounds with what comes."""
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


class _Hangups:
    """Takes SIGHUP, which ends nobody: neither before there is a loop, nor while it drains, nor after.

    A loop's own handler would be gone, and the system's back, before the process is.
    """

    def __init__(self) -> None:
        self._hear: Callable[[], object] | None = None
        self._is_due = False  # one has come: the file may have changed since it was read
        signal.signal(signal.SIGHUP, self._come)

    @contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """Yield what is set by each, and by one that has come already."""
        loop, hangup = asyncio.get_running_loop(), asyncio.Event()
        self._hear = partial(loop.call_soon_threadsafe, hangup.set)
        if self._is_due:
            hangup.set()
        try:
            yield hangup
        finally:
            self._hear = None

    def ignore(self) -> None:
        """Take none any more: for a handler of ours the interpreter puts the system's back at its end."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _come(self, *_: object) -> None:
        self._is_due = True
        if self._hear is not None:
            self._hear()


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


def reload(config: Path = CONFIG) -> int:
    """Have the running gateway take the configuration as it is now; with a fault it stays as it was."""
    from gateway.cli.client import LONG_PATIENCE, NoGateway, ask

    path = read_settings(config).journal.socket
    try:
        answer = ask(path, "POST", "/reload", {}, LONG_PATIENCE)
    except NoGateway as absent:
        raise Stop(f"no gateway could be reached on {path}: {absent}", ExitStatus.UNREACHABLE) from absent
    if (faults := answer.document.get("faults")) is not None:
        raise Stop("\n".join((*faults, "the gateway goes on as it was")), ExitStatus.WRONG)
    if not answer.is_ok:
        raise Stop(answer.detail or f"the running gateway answered {answer.status}", ExitStatus.UNREACHABLE)
    _tell(answer.document)
    return ExitStatus.DONE


CHANGES: Final = {  # what came of a reload -> how it is told
    "added": "target added: {}",
    "removed": "target removed: {}",
    "reconnected": "target reached anew: {}",
    "made_tokens": "token made: {}",
}


def _tell(done: Mapping[str, Any]) -> None:
    """Tell what has changed, and on standard error what has not."""
    for key, line in CHANGES.items():
        for name in done[key]:
            print(line.format(name))
    for warning in done["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    for key in done["restart"]:
        print(f"{key}: needs a restart; it is as it was, and all else is taken", file=sys.stderr)
    was = "as before" if done["digest"] == done["was"] else f"{done['was'][:12]} before"
    print(f"reloaded: configuration {done['digest'][:12]}, {was}")
