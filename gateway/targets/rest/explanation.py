"""What a service whose calls the configuration describes would be asked for one person. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.address import RestService
from gateway.admin.explained import REJECTED, Explanation
from gateway.flow.target_port import Refused
from gateway.targets.rest.requests import creation

NOT_THERE: Final = "the service has nothing for it"


def with_request(explanation: Explanation, service: RestService | None, url: str) -> Explanation:
    """Add the very request that a create would be, where the configuration makes it up."""
    if service is None or explanation["resource"] is None:
        return explanation
    try:
        call, unsent = creation(service.users, url, explanation["resource"])
    except Refused as error:
        rule, _, reason = error.reason.partition(": ")
        problem = {"path": reason.partition(" ")[0], "rule": rule, "reason": reason}
        return {**explanation, **REJECTED, "problems": [*explanation["problems"], problem]}
    body = None if call.body is None else orjson.loads(call.body)
    request = {"method": call.method, "url": call.url, "headers": dict(call.headers), "body": body}
    absent: Mapping[str, Any] = {"what": "dropped", "rule": None, "reason": NOT_THERE}
    return {
        **explanation,
        "dropped": [*explanation["dropped"], *unsent],
        "unsent": [*explanation["unsent"], *({**absent, "path": path} for path in unsent)],
        "request": request,
    }
