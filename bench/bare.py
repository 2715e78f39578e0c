"""What any gateway on aiohttp costs at least: each request is passed on as it came. Prints its port.

Usage: python -m bench.bare URL
"""

import asyncio
import sys
from typing import Final

import aiohttp
from aiohttp import web

from bench.processes import run

JSON: Final = "application/scim+json"


async def main(target: str) -> None:
    """Serve on the loopback before the target."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=connector) as session:

        async def pass_on(request: web.Request) -> web.Response:
            body = await request.read() or None
            call = session.request(
                request.method,
                target + request.rel_url.raw_path_qs,
                data=body,
                headers={"Content-Type": JSON},
            )
            async with call as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=JSON)

        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(main(sys.argv[1]))
