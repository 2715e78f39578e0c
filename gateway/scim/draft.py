"""A document while a PATCH changes it: what is touched is copied once, the rest is shared. Pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final

from gateway.errors import InvalidValue, Mutability, NoTarget
from gateway.scim.documents import as_object, check_primary, check_single, clean, single, singles, unlisted
from gateway.scim.elements import Elements, Looks, as_element, merged, refuse_growth
from gateway.scim.grammar import CompareOperator, Comparison, Filter, LogicalExpr, LogicalOperator
from gateway.scim.names import CORE_URNS, EMPTY, UNKNOWN, Attribute, get, is_of_type, key_of
from gateway.values import frozen

_CORE: Final = frozenset(urn.casefold() for urn in CORE_URNS.values())


class Op(StrEnum):
    """What an operation does."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


@frozen
class PatchPlace:
    """Where a path points: an attribute of the core, or of an extension."""

    urn: str | None
    name: str
    where: Filter | None = None
    sub: str | None = None


@frozen
class _Spot:
    """A place found in a document: an attribute there, or where it would be."""

    holder: dict[str, Any]
    key: str
    known: Attribute

    @property
    def present(self) -> Any:
        return self.holder.get(self.key)

    @property
    def is_list(self) -> bool:
        return self.known.multi_valued or isinstance(self.present, list | Elements)


class Draft:
    """Takes one change after the other."""

    def __init__(
        self, document: Mapping[str, Any], known: Attribute, urns: Collection[str] = frozenset()
    ) -> None:
        self._document = dict(document)
        self._urns = urns
        self._known = known
        self._looks = Looks()
        self._ours: dict[int, dict[str, Any]] = {}  # objects copied or made here, by id

    def knows(self, urn: str) -> bool:
        """Say whether a URN is the core's, an extension's that is known or of a type, or in the document."""
        folded = urn.casefold()
        if folded in _CORE or folded in self._urns or is_of_type(urn) or self._known.find(urn) is not None:
            return True
        return key_of(self._document, urn) is not None

    def change(self, op: Op, place: PatchPlace, value: Any) -> None:
        """Do one change; raises the GatewayError that refuses it."""
        spot = self._find(place)
        if place.where is not None or (place.sub is not None and spot.is_list):
            self._change_elements(spot, op, place, value)
        elif place.sub is not None:
            self._change_object(spot, {place.sub: None if op is Op.REMOVE else value})
        elif op is Op.REMOVE and value is not None and spot.is_list:
            self._remove_listed(spot, value if isinstance(value, list) else [value])
        else:
            self._change_attribute(spot, op, value)

    def has(self, name: str) -> bool:
        """Say whether the standard or the document has an attribute of this name at the core level."""
        return self._known.find(name) is not None or key_of(self._document, name) is not None

    def drop_extension(self, urn: str) -> None:
        """Take away an extension with all its attributes."""
        self._document.pop(key_of(self._document, urn) or urn, None)

    def finished(self) -> dict[str, Any]:
        """Return the document as it is now, without what the changes left empty."""
        return self._plain(self._document)

    def _find(self, place: PatchPlace) -> _Spot:
        holder, attributes = self._document, self._known
        if place.urn is not None:
            attributes = self._known.find(place.urn) or UNKNOWN
            holder = self._object(
                _Spot(self._document, _key(self._document, place.urn, attributes), attributes)
            )
        known = attributes.find(place.name) or UNKNOWN
        return _Spot(holder, _key(holder, place.name, known), known)

    def _object(self, spot: _Spot) -> dict[str, Any]:
        """Return the object at a spot as ours; an absent one is made."""
        if id(spot.present) not in self._ours:
            present = as_object(spot.present)
            ours = dict(present) if isinstance(present, dict) else {}
            spot.holder[spot.key] = self._ours[id(ours)] = ours
        return self._ours[id(spot.present)]

    def _elements(self, spot: _Spot) -> Elements:
        present = spot.present
        if not isinstance(present, Elements):
            spot.holder[spot.key] = present = Elements(present, spot.known, self._looks)
        return present

    def _change_attribute(self, spot: _Spot, op: Op, raw: Any) -> None:
        raw = unlisted(raw, spot.known)
        value = None if op is Op.REMOVE else _ready(raw, spot.known)
        parts = _parts(spot, op, raw)
        check_single(value, spot.known)
        if op is Op.REPLACE:
            check_primary(value, spot.known)
        if parts is not None:
            self._change_object(spot, parts)
        elif value is None:
            self._clear(spot, op)
        elif op is Op.ADD and (spot.is_list or isinstance(value, list)):
            self._add_elements(spot, value if isinstance(value, list) else [value])
        else:
            spot.holder[spot.key] = [value] if spot.is_list and isinstance(value, dict) else value

    def _clear(self, spot: _Spot, op: Op) -> None:
        if spot.known.boolean:  # without `active` a person counts as active: nobody comes back by accident
            if op is Op.REMOVE:
                raise Mutability(f"{spot.key} cannot be removed: it is true or false")
            raise InvalidValue(f"{spot.key} must be true or false")
        if not (op is Op.ADD and spot.is_list):  # to add nothing to a list takes nothing away
            spot.holder.pop(spot.key, None)

    def _add_elements(self, spot: _Spot, values: list[Any]) -> None:
        elements = self._elements(spot)
        places = [(elements.add(value), value) for value in values]
        elements.demote_others(place for place, value in places if _is_primary(value))

    def _change_object(self, spot: _Spot, fresh: Mapping[str, Any]) -> None:
        """Lay an object over the present one: what is empty in it goes, what it does not name stays."""
        if spot.present is None and all(inner in EMPTY for inner in fresh.values()):
            return
        ours = self._object(spot)
        before, names = len(ours), {name.casefold(): name for name in ours}
        for name, raw in fresh.items():
            known = spot.known.find(name) or UNKNOWN
            key, value = names.get(name.casefold(), known.name or name), _ready(raw, known)
            if value is None:
                ours.pop(key, None)
            else:
                ours[key] = value
        if _has_value(spot.known) and key_of(fresh, "value") is not None and key_of(ours, "value") is None:
            ours.clear()  # the manager is nobody any more, whatever else was known of them
        refuse_growth(before, ours)

    def _change_elements(self, spot: _Spot, op: Op, place: PatchPlace, raw: Any) -> None:
        elements = self._elements(spot)
        found = elements.select(place.where)
        fresh = None if op is Op.REMOVE else _fresh(spot.known, place.sub, raw)
        if fresh is not None and not found:
            found = [elements.add(merged(_made_from(place.where, spot.known), fresh))]
        elif fresh is not None:
            self._lay_over(elements, found, fresh, place if op is Op.REPLACE and place.sub is None else None)
        for at in found:
            for sub in _gone(op, place.sub, raw, fresh):
                elements.drop(at) if sub is None else elements.drop_sub(at, sub)
        if _is_primary(fresh):
            elements.demote_others(found)

    def _lay_over(
        self, elements: Elements, found: list[int], fresh: Mapping[str, Any], replaced: PatchPlace | None
    ) -> None:
        """Give the elements fresh values; a replaced one keeps only what its path says of it."""
        terms = None if replaced is None else _terms(replaced.where, elements.known) or {}
        for at in found:
            present = as_element(elements[at])
            elements.put(at, merged(present if terms is None else terms, fresh))

    def _remove_listed(self, spot: _Spot, listed: list[Any]) -> None:
        """Take away the elements that are listed, and no others: Entra ID's way to remove members."""
        elements = self._elements(spot)
        for part in listed:
            for at in _listed(elements, part):
                elements.drop(at)

    def _plain(self, holder: Mapping[str, Any]) -> dict[str, Any]:
        plain = {name: self._plain_value(value) for name, value in holder.items()}
        return {name: value for name, value in plain.items() if value is not None}

    def _plain_value(self, value: Any) -> Any:
        if isinstance(value, Elements):
            return value.plain()
        return self._plain(value) or None if id(value) in self._ours else value


def _key(holder: Mapping[str, Any], name: str, known: Attribute) -> str:
    """Return the name under which an attribute stands or would stand."""
    return key_of(holder, name) or known.name or name


def _has_value(known: Attribute) -> bool:
    """Say whether an attribute is one object known by its `value`, as a manager is."""
    return known.find("value") is not None and not known.multi_valued


def _ready(raw: Any, known: Attribute) -> Any:
    """Return a value of a message as a document holds it, None where it is empty."""
    raw = as_object(raw) if _has_value(known) else single(raw) if known.is_simple else raw
    return singles(clean(raw, known), known)


def _parts(spot: _Spot, op: Op, raw: Any) -> Mapping[str, Any] | None:
    """Return the object that is to be laid over what is present; None where there is none."""
    part = as_object(raw) if op is Op.ADD and _has_value(spot.known) else raw
    is_laid_over = op is not Op.REMOVE and not spot.is_list and not spot.known.is_simple
    return part if is_laid_over and isinstance(part, dict) else None


def _fresh(known: Attribute, sub: str | None, raw: Any) -> dict[str, Any] | None:
    """Return what an operation gives an element; None where it takes away."""
    if sub is not None:
        attribute = known.find(sub) or UNKNOWN
        value = _ready(raw, attribute)
        return None if value is None else {attribute.name or sub: value}
    value = singles(clean(as_object(raw), known), known)
    if value is None or isinstance(value, dict):
        return value
    raise InvalidValue("value must be one object where the path picks elements")


def _gone(op: Op, sub: str | None, raw: Any, fresh: Any) -> list[str | None]:
    """Return what an operation takes from an element: sub-attributes, or None for all of it."""
    part = as_object(raw)
    if op is Op.REMOVE or sub is not None or not isinstance(part, dict):
        return [sub] if fresh is None else []
    if op is Op.REPLACE and fresh is not None:  # no more is left of it than it was given
        return []
    return [name for name, inner in part.items() if inner in EMPTY]


def _is_primary(value: Any) -> bool:
    return isinstance(value, dict) and get(value, "primary") is True


def _made_from(where: Filter | None, known: Attribute) -> dict[str, Any]:
    """Return the element that a filter describes; raises NoTarget where it describes none."""
    terms = _terms(where, known)
    if terms is None or key_of(terms, "value") is not None:  # a `value` names one that should be there
        raise NoTarget("no value matches the filter, and it does not say what to make")
    return terms


def _terms(where: Filter | None, known: Attribute) -> dict[str, Any] | None:
    """Return the `eq` terms of a filter as an object; None where it has others."""
    if where is None:
        return {}
    if isinstance(where, Comparison) and where.op is CompareOperator.eq and where.value is not None:
        sub = known.find(where.attr_path.attr) or UNKNOWN
        return {sub.name or where.attr_path.attr: singles(where.value, sub)}
    if isinstance(where, LogicalExpr) and where.op is LogicalOperator.and_:
        parts = [_terms(term, known) for term in where.terms]
        known_parts = [part for part in parts if part is not None]
        return {name: value for part in known_parts for name, value in part.items()} if all(parts) else None
    return None


def _listed(elements: Elements, part: Any) -> list[int]:
    """Return the places of the elements that a listed value means; null means absent, where that decides."""
    if not isinstance(part, dict):
        return [] if part in EMPTY else elements.alike(part)
    wanted = {name: value for name, value in part.items() if value not in EMPTY}
    found = elements.alike(wanted) if wanted else []
    absent = [name for name in part if name not in wanted]
    bare = [at for at in found if all(get(elements[at], name) in EMPTY for name in absent)]
    return bare or found
