"""PATCH (RFC 7644 section 3.5.2) on plain dicts: all operations or an error, the input untouched. Pure.

Wider than the RFC where Okta, Entra ID and SailPoint need it: operations in any case, pathless values with
dotted and URN-qualified names, a filtered path that makes the element it does not find, removal by value.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from gateway.errors import GatewayError, InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget
from gateway.scim.documents import check, unknown_extension
from gateway.scim.draft import Draft, Op, PatchPlace
from gateway.scim.elements import refuse_growth, refuse_larger
from gateway.scim.grammar import AttrPath, ValuePath, parse_path
from gateway.scim.members import TAKEN
from gateway.scim.names import CORE_URNS, READ_ONLY, RESOURCES, get, is_urn, key_of, resource, with_colon
from gateway.values import frozen

MAX_OPERATIONS: Final = 1000  # and as many attributes in pathless values

_OPS: Final = {op.value: op for op in Op}
_CORE: Final = frozenset(urn.casefold() for urn in CORE_URNS.values())
_PLAIN: Final = re.compile(r"[^.:\[\s]*")  # a name that needs no grammar
_SHOWN: Final = re.compile(r"([\w:.$-]*)(\[)?")


@frozen
class PatchOperation:
    """One operation of a message."""

    op: Op
    path: str | None
    value: Any


def apply_patch(
    document: Mapping[str, Any],
    message: Mapping[str, Any],
    kind: str = "User",
    urns: Collection[str] = frozenset(),
) -> dict[str, Any]:
    """Return the document after a PATCH; raises a GatewayError that names the operation and its path.

    `urns` are the folded ones of extensions that are known beside the standard's and the document's.
    Id, meta, groups and schemas stay as they are; what was changed has the types that `check` wants.
    """
    patch = _Patch(document, kind, urns)
    for number, raw in _operations(message):
        patch.label = f"operation {number}"
        try:
            patch.apply(_operation(raw))
        except GatewayError as error:
            raise type(error)(f"{patch.label}: {error}") from error
    return patch.finished()


def _operations(message: Mapping[str, Any]) -> list[tuple[int, Any]]:
    """Return what there is to do, each with its number in the message."""
    operations = get(message, "Operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("Operations must be a list with at least one operation")
    left = [(number, raw) for number, raw in enumerate(operations, start=1) if raw is not TAKEN]
    if len(left) > MAX_OPERATIONS:
        raise InvalidValue(f"more than {MAX_OPERATIONS} operations: send fewer at once")
    return left


def _operation(raw: Any) -> PatchOperation:
    if not isinstance(raw, dict):
        raise InvalidSyntax("must be an object with op, path and value")
    op, path = get(raw, "op"), get(raw, "path")
    known = _OPS.get(op.casefold()) if isinstance(op, str) else None
    if known is None:
        raise InvalidSyntax("op must be add, replace or remove")
    if path is not None and not isinstance(path, str):
        raise InvalidPath("path must be text")
    if path and path.lstrip().startswith("/"):
        raise InvalidPath("path: SCIM writes name.givenName, not /name/givenName as JSON Patch does")
    operation = PatchOperation(known, path or None, get(raw, "value"))
    if operation.op is not Op.REMOVE and key_of(raw, "value") is None:
        raise InvalidValue("value is missing")
    return operation


def _shown(operation: PatchOperation) -> str:
    """Return an operation for an error, without what a filter compares: replace emails[…]."""
    if operation.path is None:
        return f"{operation.op} without a path"
    found = _SHOWN.match(operation.path)
    name, bracket = found.groups() if found else ("", None)
    return f"{operation.op} {name[:100]}{'[…]' if bracket else ''}"


class _Patch:
    """The operations of one message, at work on a draft."""

    def __init__(self, document: Mapping[str, Any], kind: str, urns: Collection[str]) -> None:
        self.label = ""
        self._kind = kind
        self._before = document
        self._draft = Draft(document, resource(kind), urns)
        self._changed_by: dict[str, tuple[Op, str]] = {}  # core attribute -> the last change, its label
        self._set = 0  # attributes set by pathless values

    def apply(self, operation: PatchOperation) -> None:
        self.label = f"{self.label} ({_shown(operation)})"
        if operation.path is None:
            if operation.op is Op.REMOVE:
                raise NoTarget("remove needs a path")
            self._set_all(operation.op, None, operation.value)
            return
        place = self._place(operation.path, operation.value)
        if isinstance(place, PatchPlace) and place.urn is None:
            if place.name.casefold() in READ_ONLY:
                raise Mutability(f"{place.name} is read-only")
            if self._kind == "Group" and not self._draft.has(place.name):  # people may have a target's own
                raise InvalidPath("path: no attribute of a Group")
        self._change(operation.op, place, operation.value)

    def finished(self) -> dict[str, Any]:
        """Return the changed document; raises InvalidValue or Mutability for what must not become so."""
        result = self._draft.finished()
        refuse_growth(len(self._before), result)
        for name, value in result.items():
            if isinstance(value, dict):
                before = self._before.get(name)
                refuse_growth(len(before) if isinstance(before, dict) else 0, value)
        refuse_larger(self._before, result)
        for name, (op, label) in self._changed_by.items():
            try:
                check(result, self._kind, (name,))
            except InvalidValue as error:
                # RFC 7644 section 3.5.2.2: what is required cannot be removed
                raise (Mutability if op is Op.REMOVE else InvalidValue)(f"{label}: {error}") from error
        return result

    def _set_all(self, op: Op, urn: str | None, value: Any) -> None:
        """Set every attribute of a value, of the document or of one extension."""
        if not isinstance(value, dict):
            raise InvalidValue("value must be an object of attributes where the path names none")
        for name, inner in value.items():
            self._set += 1
            if self._set > MAX_OPERATIONS:
                raise InvalidValue(f"more than {MAX_OPERATIONS} attributes are set: send fewer at once")
            place = self._place(name, inner) if urn is None else PatchPlace(urn, name)
            if isinstance(place, str) or place.urn is not None or place.name.casefold() not in READ_ONLY:
                self._change(op, place, inner)

    def _change(self, op: Op, place: PatchPlace | str, value: Any) -> None:
        if isinstance(place, str):
            self._change_extension(op, place, value)
        elif place.urn is not None:
            self._draft.change(op, place, value)
        elif place.name.casefold() != "schemas":  # derived from what the document holds
            self._changed_by[place.name] = (op, self.label)
            self._draft.change(op, place, value)

    def _change_extension(self, op: Op, urn: str, value: Any) -> None:
        if urn.casefold() in _CORE:
            if op is Op.REMOVE:
                raise InvalidPath("PATCH cannot remove the whole resource")
            self._set_all(op, None, value)
            return
        is_empty = value in (None, "", [])
        if op is Op.REMOVE or (op is Op.REPLACE and is_empty):
            self._draft.drop_extension(urn)
        if op is not Op.REMOVE and not is_empty:
            self._set_all(op, urn, value)

    def _place(self, text: str, value: Any) -> PatchPlace | str:
        """Return where a path points; a URN alone stands for all of its attributes."""
        if is_urn(text):
            text = with_colon(text, self._draft.knows)
            if self._is_extension(text, value):
                self._refuse_other_type(text)
                return text
        if _PLAIN.fullmatch(text):
            return PatchPlace(None, text)
        path = parse_path(text)
        if isinstance(path, AttrPath):
            return PatchPlace(self._extension(path), path.attr, None, path.sub_attr)
        if isinstance(path, ValuePath):
            name = path.attr_path
            return PatchPlace(self._extension(name), name.attr, path.val_filter, path.sub_attr)
        raise InvalidPath("a comparison is no path")

    def _extension(self, path: AttrPath) -> str | None:
        """Return the URN of the extension that a path leads into; None for the core."""
        if path.uri is None:
            return None
        self._refuse_other_type(path.uri)
        if path.uri.casefold() in _CORE:
            return None
        if not is_urn(path.uri):
            raise InvalidPath("path: no URN of an extension stands before the attribute")
        if path.sub_attr is not None and not self._draft.knows(path.uri):
            raise unknown_extension(str(path))
        return path.uri

    def _refuse_other_type(self, urn: str) -> None:
        """Raise InvalidPath where the standard has a URN for another type of resource alone."""
        for kind, known in RESOURCES.items():
            is_of_kind = urn.casefold() == CORE_URNS[kind].casefold() or known.find(urn) is not None
            if is_of_kind and kind != self._kind:
                raise InvalidPath(f"path: {urn} is of a {kind}, not of a {self._kind}")

    def _is_extension(self, text: str, value: Any) -> bool:
        """Say whether a URN names an extension, not an attribute of one: the longest known name wins."""
        if self._draft.knows(text):
            return True
        is_attribute = self._draft.knows(text.rpartition(":")[0]) or "[" in text
        return not is_attribute and isinstance(value, dict)
