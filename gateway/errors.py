"""What can go wrong, as types: each knows the SCIM answer it becomes (RFC 7644 section 3.12). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class GatewayError(Exception):
    """Base of every error that becomes a SCIM answer; its text is the `detail` an administrator reads.

    The text names attributes, rules and keys, never a value or a secret.
    """

    status = 500
    scim_type: str | None = None
    # the detail with a target's own words, which may hold values: for the trail alone
    verbatim: str | None = None

    @property
    def detail(self) -> str:
        return str(self)

    def status_for(self, busy_status: int) -> int:
        """Return the status the provider gets; `busy_status` is what it understands as busy."""
        return self.status


class InvalidSyntax(GatewayError):
    """The body is not the JSON message its endpoint takes."""

    status = 400
    scim_type = "invalidSyntax"


class InvalidValue(GatewayError):
    """An attribute is missing or has a value that cannot be used."""

    status = 400
    scim_type = "invalidValue"


class InvalidPath(GatewayError):
    """A PATCH path is malformed or names nothing."""

    status = 400
    scim_type = "invalidPath"


class InvalidFilter(GatewayError):
    """A filter is malformed, too large, or names an unknown attribute."""

    status = 400
    scim_type = "invalidFilter"


class NoTarget(GatewayError):
    """A PATCH path selects nothing that could be changed (RFC 7644 section 3.5.2)."""

    status = 400
    scim_type = "noTarget"


class Mutability(GatewayError):
    """A read-only attribute was to be changed, or a required one removed."""

    status = 400
    scim_type = "mutability"


class OverToken(NamedTuple):
    """A token that was let in once: which one, whose, and when that ended (RFC 3339, UTC)."""

    token: str
    provider: str
    ended: str


class Unauthorized(GatewayError):
    """No token, or one that is unknown, expired or revoked."""

    status = 401
    shown: bytes | None = None  # the SHA-256 of what was shown
    over: OverToken | None = None  # that token, where it was one once
    challenge = 'Bearer realm="scim"'  # how one is shown (RFC 9110 section 11.6.1)


class Forbidden(GatewayError):
    """A good token for something else."""

    status = 403


class NotFound(GatewayError):
    """No such resource, target or path."""

    status = 404


class MethodNotAllowed(GatewayError):
    """The path is served, the method is not; `allowed` are those that are."""

    status = 405

    def __init__(self, detail: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.allowed = tuple(allowed)


class Uniqueness(GatewayError):
    """The name or externalId belongs to somebody else, or the person exists already."""

    status = 409
    scim_type = "uniqueness"


class PreconditionFailed(GatewayError):
    """The change is meant for another version of the resource (RFC 7644 section 3.14)."""

    status = 412


class TooLarge(GatewayError):
    """The body is larger than the server takes."""

    status = 413


class UnsupportedMedia(GatewayError):
    """The body is encoded in a way the server does not read."""

    status = 415


class NotSupported(GatewayError):
    """The target cannot do this at all."""

    status = 501


class BadTarget(GatewayError):
    """The target answered a read with something that cannot be passed on."""

    status = 502


class Busy(GatewayError):
    """Not now: the provider should come again after `retry_after` seconds.

    `status` None means the target's `busy_status`, 429 or 503.
    """

    status = 503
    is_kept = False  # the change is in the journal, and tried again whether or not the provider comes

    def __init__(self, detail: str, retry_after: float = 30.0, status: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.asked_status = status

    def status_for(self, busy_status: int) -> int:
        return self.asked_status or busy_status


class JournalUnavailable(Busy):
    """The journal cannot be read or written, so nothing is sent."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the configuration: where in the file, and what to do about it."""

    path: str  # TOML path: targets.dialpad.rules[2].via[0].format
    reason: str
    place: str = ""  # its line, and of a rule or a test what it is called

    def __str__(self) -> str:
        return f"{self.path} ({self.place}): {self.reason}" if self.place else f"{self.path}: {self.reason}"


class ConfigError(Exception):
    """Every fault of a configuration at once, and what is doubtful beside them."""

    def __init__(self, faults: Sequence[Fault], warnings: Sequence[str] = ()) -> None:
        super().__init__(f"{len(faults)} fault(s) in the configuration")
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)


class CannotListen(Exception):
    """Nobody can listen there; the text says where, and why."""
