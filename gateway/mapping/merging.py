"""What a change of JSON with a known shape sends, so that what only its owner knows in it stays. Pure."""

from typing import Any

from gateway.mapping.templates import Each, Record, Row, Shape


def merge_patch(before: Any, after: Any) -> Any:
    """Return what turns one JSON value into another (RFC 7396): what differs, null for what has gone."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    gone = {name: None for name in before if name not in after}
    changed = {
        name: merge_patch(before[name], value) if name in before else value
        for name, value in after.items()
        if name not in before or before[name] != value
    }
    return gone | changed


def loses(shape: Shape, patch: Any) -> bool:
    """Say whether a change (RFC 7396) would take away what a list or an object has besides."""
    if isinstance(shape, Record) and isinstance(patch, dict):
        return any(loses(shape.members[name], value) for name, value in patch.items())
    return isinstance(shape, Record | Row | Each)


def sparing(shape: Shape, found: Any, patch: Any) -> Any:
    """Return a change (RFC 7396) that leaves in lists and objects what was found there besides."""
    if isinstance(shape, Row | Each) and isinstance(found, list):
        return laid(shape, found, patch or []) or patch
    if isinstance(shape, Record) and isinstance(found, dict):
        if patch is None and laid(shape, found, {}):
            patch = {name: None for name in shape.members if name in found}
        if patch is not None:
            return {name: sparing(shape.members[name], found.get(name), new) for name, new in patch.items()}
    return patch


def laid(shape: Shape, found: Any, filled: Any) -> Any:
    """Return JSON as it was found, but what a shape has in it as it was filled, or gone."""
    if isinstance(shape, Row | Each) and isinstance(found, list) and isinstance(filled, list):
        return _laid_list(shape, found, filled)
    if not isinstance(shape, Record) or not isinstance(found, dict):
        return filled
    result = {name: value for name, value in found.items() if name not in shape.members}
    for name, member in shape.members.items():
        if name in filled:
            result[name] = laid(member, found.get(name), filled[name])
        elif isinstance(member, Record | Row):
            nothing: Any = {} if isinstance(member, Record) else []
            if rest := laid(member, found.get(name, nothing), nothing):
                result[name] = rest
    return result


def _laid_list(shape: Row | Each, found: list[Any], filled: list[Any]) -> list[Any]:
    """Return the elements as they were filled, each over the one that was found for it.

    Those that a row does not know stay behind them.
    """
    if isinstance(shape, Each):
        inner, known = shape.shape, dict[str, Any]()
        for one in found:
            known.setdefault(repr(inner.unfill(one, {})), one)
        return [laid(inner, known.get(repr(inner.unfill(one, {}))), one) for one in filled]
    records = [one for one in shape.shapes if isinstance(one, Record) and one.is_told]
    if len(records) < len(shape.shapes):
        return filled  # nothing tells them apart
    result = []
    for one in filled:
        own = next(record for record in records if record.is_like(one))
        result.append(laid(own, next(filter(own.is_like, found), None), one))
    return result + [one for one in found if not any(record.is_like(one) for record in records)]
