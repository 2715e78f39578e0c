"""What an administrator must hear of at once."""

import structlog

from gateway.flow.model import Target
from gateway.flow.ports import Denied, TargetError

log = structlog.get_logger()


def alert(target: Target, error: TargetError) -> None:
    """Log an error that only an administrator can mend: the target refuses our credentials."""
    if isinstance(error, Denied):
        log.error("target.denied", target=target.name, status=error.status, key=f"targets.{target.name}.auth")
