"""Users of this machine: in whose name something is done to the gateway."""

import os
import pwd
import re
from contextvars import ContextVar
from typing import Final

acting: Final[ContextVar[str]] = ContextVar("acting", default="")  # who is, as the audit trail names them

INVOKER: Final = "X-Sudo-User"  # the header in which a command says who ran it by sudo
_NAME: Final = re.compile(r"[\w.@+-]{1,64}", re.ASCII)


def name_of(uid: int, invoker: str | None) -> str:
    """Return a user's name, or number; `invoker`, who became that user by sudo, is only what sudo says."""
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    return f"{invoker} via sudo as {user}" if _is_name(invoker) else user


def own_name() -> str:
    """Return the name of who runs this process."""
    return name_of(os.geteuid(), invoker())


def invoker() -> str | None:
    """Return who ran this process by sudo, None where nobody did."""
    said = os.environ.get("SUDO_USER")
    return said if _is_name(said) else None


def _is_name(text: str | None) -> bool:
    return text is not None and _NAME.fullmatch(text) is not None
