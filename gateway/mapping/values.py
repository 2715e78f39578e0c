"""What a transform sees and what it may say. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Person:
    """What a transform may know besides the value: the resource as the provider sent it, and its country."""

    original: Mapping[str, Any] = field(default_factory=dict)
    region: str | None = None  # ISO 3166 alpha-2, for national phone numbers


@dataclass(frozen=True, slots=True)
class Office:
    """An office of a target: its name there, and its country for phone numbers."""

    name: str
    country: str | None = None


class Unusable(Exception):
    """The value cannot be used; the text says why, without the value."""


@dataclass(frozen=True, slots=True)
class Transform:
    """One compiled step of a rule.

    `apply` takes a value that is present and returns the new one, or None for absent; raises `Unusable`.
    `invert` turns a target's value back, where that is possible; it never raises.
    """

    name: str
    apply: Callable[[Any, Person], Any]
    invert: Callable[[Any], Any] | None = None
