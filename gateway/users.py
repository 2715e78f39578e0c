"""Users of this machine: in whose name something is done to the gateway, and what they may not."""

import errno
import os
import pwd
import re
import stat
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Final

acting: Final[ContextVar[str]] = ContextVar("acting", default="")  # who is, as the audit trail names them
acting_as: Final[ContextVar[str]] = ContextVar("acting_as", default="administrator")  # and as what

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


CURES: Final[Mapping[int, str]] = {  # what may be done about it
    errno.ENOENT: "is the name right, from the folder it is relative to?",
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room within the quota",
    errno.EROFS: "its disk is mounted for reading alone: name another place",
    errno.EMFILE: "allow this process more open files (ulimit -n)",
}


def why(error: OSError, path: str | os.PathLike[str]) -> str:
    """Return why a file cannot be used, and the cure: for what is forbidden, by whose rights and to whom."""
    reason = error.strerror or str(error)
    if error.errno not in (errno.EACCES, errno.EPERM):
        cure = CURES.get(error.errno or 0)
        return f"{reason}: {cure}" if cure else reason
    place, found = _seen(Path(path))
    owner, user = (name_of(uid, None) for uid in (found.st_uid, os.geteuid()))
    whom = user.removeprefix("uid ")
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    if owner == user:
        return f"{reason}: {place} has mode {mode}, and this runs as its owner, {user}: chmod u+rwX {place}"
    runs = f"{place} belongs to {owner}, mode {mode}, and this runs as {user}"
    return f"{reason}: {runs}: run it as {owner}, or give it to {user} (chown {whom} {place})"


def _seen(path: Path) -> tuple[Path, os.stat_result]:
    """Return the file, or the nearest folder above it of which this user sees anything."""
    for place in (path, *path.absolute().parents):
        try:
            return place, place.stat()
        except OSError:
            continue
    return Path("/"), os.stat("/")


def invoker() -> str | None:
    """Return who ran this process by sudo, None where nobody did."""
    said = os.environ.get("SUDO_USER")
    return said if _is_name(said) else None


def _is_name(text: str | None) -> bool:
    return text is not None and _NAME.fullmatch(text) is not None
