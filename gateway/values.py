"""Values: dataclasses that nobody changes once they are made. Pure."""

from dataclasses import dataclass, field, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a value, equal and hashed by its fields.

    That nobody changes one is what the type checker sees to: refused at run time, too, as dataclasses do it,
    each would cost five times as much to make. How it is compared and shown is put in as closures: to have
    dataclasses compile text for that took a tenth of every start.
    """
    made = dataclass(slots=True, eq=False, repr=False)(cls)
    for name, method in _methods(made).items():
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made


def _methods(cls: type[Any]) -> dict[str, Any]:
    has = fields(cls)
    compared = [each for each in has if each.compare]
    content = attrgetter("__class__", *(each.name for each in compared))
    hashed = attrgetter("__class__", *(each.name for each in compared if each.hash is not False))
    shown = [each.name for each in has if each.repr]

    def __eq__(self: Any, other: object) -> bool:
        return content(self) == content(other) if other.__class__ is cls else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(hashed(self))

    @recursive_repr()
    def __repr__(self: Any) -> str:
        return f"{cls.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    return {"__eq__": __eq__, "__hash__": __hash__, "__repr__": __repr__}
