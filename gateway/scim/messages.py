"""The messages of RFC 7644 as plain dicts: errors, lists, PATCH requests, a resource's meta. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.scim.names import ERROR, LIST_RESPONSE, PATCH_OP


def error_body(status: int, detail: str, scim_type: str | None = None) -> dict[str, Any]:
    """Return the Error of RFC 7644 section 3.12, whose status is text."""
    body: dict[str, Any] = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return body if scim_type is None else {**body, "scimType": scim_type}


def list_response(resources: Sequence[Mapping[str, Any]], total: int, start: int) -> dict[str, Any]:
    """Return a page of `total` resources that begins at the 1-based `start` (RFC 7644 section 3.4.2)."""
    return {
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }


def meta_of(
    kind: str, created: str | None, modified: str | None, location: str, version: str
) -> dict[str, str]:
    """Return the meta of a resource (RFC 7643 section 3.1); times are RFC 3339, left out where unknown."""
    times = {"created": created, "lastModified": modified}
    known = {name: time for name, time in times.items() if time is not None}
    return {"resourceType": kind, **known, "location": location, "version": version}


def patch_request(operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the PATCH message of the operations (RFC 7644 section 3.5.2)."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}
