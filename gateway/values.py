"""Values: dataclasses that nobody changes once they are made. Pure."""

from dataclasses import FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, Final, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a value, equal and hashed by its fields.

    That nobody changes one is what the type checker sees to: refused at run time, too, as `sealed` does it,
    each would cost five times as much to make. How it is compared and shown is put in as closures, and how
    it is made once the first is: to have dataclasses compile text for all that took a fifth of every start.
    """
    return _value(cls, is_sealed=False)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def sealed(cls: type[T]) -> type[T]:
    """Make a class a value that refuses to be changed, for what is made once and seen by everybody."""
    return _value(cls, is_sealed=True)


def _value(cls: type[T], is_sealed: bool) -> type[T]:
    made = dataclass(slots=True, init=False, eq=False, repr=False)(cls)
    methods = {"__init__": _first(made, is_sealed), **_methods(made), **(SEAL if is_sealed else {})}
    for name, method in methods.items():
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made


def _first(cls: type[Any], is_sealed: bool) -> Any:
    """Return what makes the first of a class, which is made as dataclasses do it from then on."""

    def __init__(self: Any, *given: Any, **named: Any) -> None:
        cls.__init__ = _compiled(cls, is_sealed)
        cls.__init__(self, *given, **named)

    return __init__


def _compiled(cls: type[Any], is_sealed: bool) -> Any:
    has = {each.name: each for each in fields(cls)}
    body = {**has, "__annotations__": {name: each.type for name, each in has.items()}}
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    twin: Any = dataclass(eq=False, repr=False, match_args=False, frozen=is_sealed)(
        type(cls.__name__, (), body)
    )
    return twin.__init__


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


def _refuse(self: object, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be changed")


def _restore(self: object, state: tuple[None, dict[str, Any]]) -> None:
    """Fill a copy, as `copy` and `pickle` do it."""
    for name, value in state[1].items():
        object.__setattr__(self, name, value)


SEAL: Final = {"__setattr__": _refuse, "__delattr__": _refuse, "__setstate__": _restore}
