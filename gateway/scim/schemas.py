"""The discovery documents of a target (RFC 7644 section 4): abilities, types, attributes. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.scim.entitlements import EntitlementType
from gateway.scim.names import (
    CORE_GROUP,
    CORE_USER,
    ENTERPRISE_USER,
    RESOURCE_TYPE,
    SERVICE_PROVIDER_CONFIG,
    UNSERVED,
)
from gateway.scim.paths import Place, place
from gateway.scim.standard import ENTERPRISE, GROUP, USER, define, schema_document

Document = dict[str, Any]

_BEARER: Final = {
    "type": "oauthbearertoken",
    "name": "Bearer token",
    "description": "Authorization: Bearer and a token of this gateway",
    "specUri": "https://www.rfc-editor.org/info/rfc6750",
    "primary": True,
}
_BASIC: Final = {
    "type": "httpbasic",
    "name": "HTTP Basic",
    "description": "Any user name, with a token of this gateway as the password",
    "specUri": "https://www.rfc-editor.org/info/rfc7617",
}
# RFC 7643 section 3.1 has it in every resource; providers offer for mapping only what a schema lists.
_EXTERNAL_ID: Final = define("externalId", "The provider's own identifier of the resource.", caseExact=True)


def service_provider_config(
    base_url: str, *, filter_max: int = 200, sort: bool = False, change_password: bool = False
) -> Document:
    """Return what is supported; `filter_max` is the most resources one page holds."""
    return {
        "schemas": [SERVICE_PROVIDER_CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": filter_max},
        "changePassword": {"supported": change_password},
        "sort": {"supported": sort},
        "etag": {"supported": True},
        "authenticationSchemes": [dict(_BEARER), dict(_BASIC)],
        "meta": _meta(base_url, "ServiceProviderConfig", None),
    }


def resource_types(
    base_url: str, has_groups: bool = True, extensions: Iterable[str] = (ENTERPRISE_USER,)
) -> list[Document]:
    """Return the resource types, User with these extensions."""
    types = [_resource_type(base_url, "User", CORE_USER, extensions)]
    return [*types, _resource_type(base_url, "Group", CORE_GROUP, ())] if has_groups else types


def schemas(
    base_url: str, has_groups: bool = True, extra: Sequence[Mapping[str, Any]] = ()
) -> list[Document]:
    """Return the standard's schemas and the `extra` ones, made by `extension_schema`."""
    standard = [found for found in _STANDARD if has_groups or found["id"] != CORE_GROUP]
    return [{**found, "meta": _meta(base_url, "Schema", found["id"])} for found in (*standard, *extra)]


def extension_schema(urn: str, attributes: Iterable[str]) -> Document:
    """Return the schema of an extension with these attributes; `name.sub` makes a complex one."""
    subs: dict[str, list[str]] = {}
    for path in attributes:
        name, _, sub = path.partition(".")
        subs.setdefault(name, []).extend([sub] if sub else [])
    described = (
        define(name, name, *(define(sub, sub) for sub in dict.fromkeys(inner)))
        for name, inner in subs.items()
    )
    return schema_document(urn, urn.rpartition(":")[2], f"Extension {urn}", *described)


def own_schema(base_url: str, schema: Mapping[str, Any]) -> Document:
    """Return a schema that is neither the standard's nor an extension, where it is served."""
    return {**schema, "meta": _meta(base_url, "Schema", schema["id"])}


def entitlement_type(base_url: str, one: EntitlementType) -> Document:
    """Return the resource type of what people may be entitled to."""
    return {
        "schemas": [RESOURCE_TYPE],
        "id": one.name,
        "name": one.name,
        "description": one.description or one.name,
        "endpoint": f"/{one.endpoint}",
        "schema": one.urn,
        "schemaExtensions": [],
        "meta": _meta(base_url, "ResourceType", one.name),
    }


def requiring(schema: Mapping[str, Any], places: Iterable[Place]) -> Document:
    """Return a schema that says of these attributes, and of what is named in them, that they are required."""
    subs: dict[str, set[str]] = {}
    for where in places:
        subs.setdefault(where.attribute.casefold(), set()).add((where.sub or "").casefold())
    return {**schema, "attributes": [_required(attribute, subs) for attribute in schema["attributes"]]}


def narrowed(schema: Mapping[str, Any], names: Collection[str]) -> Document:
    """Return a schema with those of its attributes that are named, in any case."""
    folded = {name.casefold() for name in names}
    shown = [attribute for attribute in schema["attributes"] if attribute["name"].casefold() in folded]
    return {**schema, "attributes": shown}


def find(documents: Iterable[Document], id: str) -> Document | None:
    """Return the document of that id in any case, or None."""
    folded = id.casefold()
    return next((document for document in documents if document["id"].casefold() == folded), None)


def _required(attribute: Document, subs: Mapping[str, Collection[str]]) -> Document:
    """Return an attribute as required where it is named; what an element of a list must hold is not said."""
    named = subs.get(attribute["name"].casefold())
    if named is None:
        return attribute
    inner = [] if attribute["multiValued"] else attribute.get("subAttributes") or []
    marked = [{**sub, "required": True} if sub["name"].casefold() in named else sub for sub in inner]
    return {**attribute, "required": True, **({"subAttributes": marked} if marked else {})}


def _resource_type(base_url: str, kind: str, schema: str, extensions: Iterable[str]) -> Document:
    return {
        "schemas": [RESOURCE_TYPE],
        "id": kind,
        "name": kind,
        "description": f"{kind}s of this target",
        "endpoint": f"/{kind}s",
        "schema": schema,
        "schemaExtensions": [{"schema": urn, "required": False} for urn in extensions],
        "meta": _meta(base_url, "ResourceType", kind),
    }


_ENDPOINTS: Final = {
    "ServiceProviderConfig": "ServiceProviderConfig",
    "ResourceType": "ResourceTypes",
    "Schema": "Schemas",
}


def _meta(base_url: str, kind: str, id: str | None) -> Document:
    location = f"{base_url.rstrip('/')}/{_ENDPOINTS[kind]}"
    return {"resourceType": kind, "location": location if id is None else f"{location}/{id}"}


def _served(schema: Document) -> Document:
    names = [attribute["name"] for attribute in schema["attributes"]]
    return narrowed(schema, [name for name in names if name not in UNSERVED])


def _with_external_id(standard: Document) -> Document:
    return {**standard, "attributes": [_EXTERNAL_ID, *standard["attributes"]]}


_STANDARD: Final = (
    # a create may leave `active` out, but nobody is ever without it
    requiring(_with_external_id(_served(USER)), [place("active")]),
    _with_external_id(GROUP),
    ENTERPRISE,
)
