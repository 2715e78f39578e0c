"""What people may be entitled to at a target: the values, how they are served, who carries others. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from gateway.scim.names import get, key_of
from gateway.scim.standard import Definition, define, schema_document
from gateway.values import frozen

OKTA: Final = "urn:okta:scim:schemas:core:1.0"  # as Okta Identity Governance asks for them
RFC: Final = "urn:ietf:params:scim:schemas:core:2.0"
SCHEMAS: Final[Mapping[str, str]] = {"okta": OKTA, "rfc": RFC}  # what their URNs begin with
KINDS: Final[Mapping[str, str]] = {"roles": "Role", "entitlements": "Entitlement"}  # attribute -> kind
LONGEST: Final = 1000  # characters of a description, as Okta takes it
TOLD: Final = 100  # characters of a value that a refusal names


@frozen
class Entitlement:
    """One value: its id, which people carry, and what it is called."""

    id: str
    display: str
    description: str = ""


@frozen
class EntitlementType:
    """One kind of them: what it is called, where it is served, and where people carry its values."""

    name: str
    endpoint: str  # without its slash
    attribute: str = "entitlements"  # or roles
    schema: str = "okta"  # or rfc
    description: str = ""

    @property
    def kind(self) -> str:
        """Role or Entitlement."""
        return KINDS[self.attribute]

    @property
    def urn(self) -> str:
        return f"{SCHEMAS[self.schema]}:{self.kind}"

    def document(self, value: Entitlement, base_url: str) -> dict[str, Any]:
        """Return a value as its endpoint serves it."""
        location = f"{base_url}/{self.endpoint}/{quote(value.id, safe='')}"
        meta = {"resourceType": self.name, "location": location}
        if self.schema == "okta":
            named: dict[str, Any] = {"displayName": value.display}
            named |= {"type": self.name} if self.attribute == "entitlements" else {}
            named |= {"description": value.description} if value.description else {}
        else:
            named = {"value": value.id, "display": value.display, "type": self.name, "supported": True}
        return {"schemas": [self.urn], "id": value.id, **named, "meta": meta}


class Unentitled(NamedTuple):
    """A value that nobody may carry: where it stands, and why not."""

    path: str
    reason: str


class Catalogue:
    """The values of one target, by type; those that are read from elsewhere may not be known yet."""

    def __init__(
        self, types: Sequence[EntitlementType], values: Mapping[str, Sequence[Entitlement]] | None = None
    ) -> None:
        self.types = tuple(types)
        self._values: dict[str, Mapping[str, Entitlement]] = {}
        for name, known in (values or {}).items():
            self.learn(name, known)

    def learn(self, name: str, values: Iterable[Entitlement]) -> None:
        """Take these as all values of a type."""
        self._values[name] = {value.id: value for value in values}

    def values(self, name: str) -> Mapping[str, Entitlement] | None:
        """Return the values of a type by id; None where they are not known yet."""
        return self._values.get(name)

    @property
    def is_known(self) -> bool:
        """Whether the values of every type are known."""
        return all(one.name in self._values for one in self.types)

    def at(self, endpoint: str) -> EntitlementType | None:
        """Return the type that an endpoint serves."""
        return next((one for one in self.types if one.endpoint == endpoint), None)

    def refused(self, document: Mapping[str, Any]) -> Iterator[Unentitled]:
        """Yield what of a person's roles and entitlements is among no values of the target."""
        for attribute in dict.fromkeys(one.attribute for one in self.types):
            for value, said in _carried(get(document, attribute)):
                meant = self._meant(attribute, said)
                known = [self.values(one.name) for one in meant]
                if None in known or any(value in values for values in known if values is not None):
                    continue
                where = f"{attribute}[type eq {_quoted(said)}].value" if said else f"{attribute}.value"
                names = " or ".join(one.name for one in meant)
                why = f"no {names} has this value" if meant else "the target has no entitlements of this type"
                yield Unentitled(where, f"{_quoted(value)}: {why}")

    def shown(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a person with what their roles and entitlements are called, where that is not said."""
        told = {
            name: [self._told(attribute, element) for element in document[name]]
            for attribute in {one.attribute for one in self.types}
            if (name := key_of(document, attribute)) is not None and isinstance(document[name], list)
        }
        return {**document, **told} if told else document

    def _told(self, attribute: str, element: Any) -> Any:
        value = element.get("value") if isinstance(element, dict) else None
        if not isinstance(value, str):
            return element
        said = element.get("type")
        meant = self._meant(attribute, said if isinstance(said, str) else None)
        found = [(one, found) for one in meant if (found := (self.values(one.name) or {}).get(value))]
        if len(found) != 1:  # nobody knows which
            return element
        kind, known = found[0]
        typed = {"type": kind.name} if attribute == "entitlements" and "type" not in element else {}
        named = {"display": known.display} if "display" not in element else {}
        return {**element, **named, **typed}

    def _meant(self, attribute: str, said: str | None) -> Sequence[EntitlementType]:
        """Return the types that an element may be of; a role's `type` may be a word of the provider's own."""
        carried = [one for one in self.types if one.attribute == attribute]
        named = [one for one in carried if said is not None and one.name.casefold() == said.casefold()]
        return carried if said is None or (attribute == "roles" and not named) else named


def _carried(said: Any) -> Iterator[tuple[str, str | None]]:
    """Yield each value with its type, as far as there are texts."""
    for element in said if isinstance(said, list) else [said]:
        value, kind = element, None
        if isinstance(element, dict):
            value, kind = get(element, "value"), get(element, "type")
        if isinstance(value, str) and value:
            yield value, kind if isinstance(kind, str) and kind else None


def _quoted(text: str | None) -> str:
    return json.dumps((text or "")[:TOLD], ensure_ascii=False)


def schemas_of(types: Iterable[EntitlementType]) -> list[Definition]:
    """Return the schema of each kind that is served (RFC 7643 section 7), once."""
    return list({one.urn: _schema(one) for one in types}.values())


def _schema(one: EntitlementType) -> Definition:
    kind, word = one.kind, one.kind.lower()
    typed = _fixed("type", f"What the {word} is for.", required=one.schema == "okta")
    if one.schema == "okta":
        attributes = [
            _fixed("displayName", f"The {word}'s name.", required=True),
            *([typed] if one.attribute == "entitlements" else []),
            _fixed("description", f"What the {word} means."),
        ]
    else:
        attributes = [
            _fixed("value", f"What people carry as the value of their {one.attribute}.", required=True),
            _fixed("display", f"The {word}'s name."),
            typed,
            _fixed("supported", f"Whether the {word} may be given.", type="boolean", required=True),
        ]
    return schema_document(one.urn, kind, f"What a person's {one.attribute} may be", *attributes)


def _fixed(name: str, description: str, **other: Any) -> Definition:
    return define(name, description, mutability="readOnly", **other)
