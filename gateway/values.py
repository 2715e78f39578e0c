"""Values: dataclasses that nobody changes once they are made. Pure."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a value, equal and hashed by its fields.

    That nobody changes one is what the type checker sees to: refused at run time, too, as dataclasses do it,
    each would cost five times as much to make.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
