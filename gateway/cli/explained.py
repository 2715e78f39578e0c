"""What explains resources to a target, as the configuration has it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.admin.explained import Explanation
    from gateway.mapping.target import TargetMapping
    from gateway.settings import Settings


def explainer(
    settings: "Settings", name: str, mapping: "TargetMapping", show_values: bool = False
) -> Callable[[Mapping[str, Any]], "Explanation"]:
    """Return what explains to a target a resource as its provider sends it."""
    from gateway.admin.explained import explained
    from gateway.settings.compiled import dialect_of
    from gateway.targets.rest.explanation import with_request

    target, dialect = settings.targets[name], dialect_of(settings, name)
    if (database := target.sql) is not None:
        from gateway.targets.sql.statements import with_statements  # SQLAlchemy, which not everybody has

        return lambda resource: with_statements(
            explained(name, mapping, dialect.document(resource), show_values=show_values),
            database,
            target.url,
        )
    return lambda resource: with_request(
        explained(name, mapping, dialect.document(resource), show_values=show_values), target.rest, target.url
    )
