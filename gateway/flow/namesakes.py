"""Whom a target's rules give the same name as somebody else: who is asked for by name is not they."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.flow.journal_port import Key
from gateway.flow.model import Services, Target
from gateway.flow.target_port import Attributes, Page, ResourceType
from gateway.scim.documents import fold
from gateway.scim.names import get

NAMES: Final[Mapping[str, Callable[[str], str]]] = {"username": fold, "externalid": str, "displayname": fold}


async def without_namesakes(
    services: Services, target: Target, kind: ResourceType, asked: Mapping[str, Any], page: Page
) -> Page:
    """Leave out whom we know by another name than the one asked for; strangers have what the target shows."""
    named = {name: same(asked[name]) for name, same in NAMES.items() if name in asked}
    others = [document for document in page.entries if not _is_named(document, named)]
    known = [document["id"] for document in others if await _is_known(services, target, kind, document["id"])]
    if not known:
        return page
    entries = tuple(document for document in page.entries if document["id"] not in known)
    return Page(page.total - len(known), entries, page.counted)


def _is_named(document: Attributes, named: Mapping[str, str]) -> bool:
    values = {name: get(document, name) for name in named}
    return all(isinstance(value, str) and NAMES[name](value) == named[name] for name, value in values.items())


async def _is_known(services: Services, target: Target, kind: ResourceType, id: str) -> bool:
    return bool(await services.resources.find(target.name, kind, (Key("id", id),)))
