"""A change that is meant for one version of a resource, and for no other (RFC 7644 section 3.14)."""

from gateway.errors import PreconditionFailed
from gateway.flow.answers import answer_to_change
from gateway.flow.decide import Situation, view_of
from gateway.flow.document import Members, version_of
from gateway.flow.membership import Membership
from gateway.flow.model import Change, Services
from gateway.flow.target_port import ResourceType, TargetError
from gateway.scim.versions import is_meant, tells_members


async def refuse_outdated(services: Services, change: Change, situation: Situation) -> None:
    """Raise PreconditionFailed where the change is meant for another version than there is now."""
    if not change.if_match or (situation.resource is None and situation.present is None):
        return
    view = view_of(change.mapping, situation, change.target.name)
    members = await _members(services, change, situation)
    if not is_meant(change.if_match, version_of(change.type, change.id or "", view, members)):
        raise PreconditionFailed(
            f"this {change.type.lower()} is not the version that If-Match names: read it again"
        )


async def _members(services: Services, change: Change, situation: Situation) -> Members:
    """Return the members a provider is shown, read only where the version depends on them."""
    present, target = situation.present, change.target
    if change.type is not ResourceType.GROUP or present is None or not tells_members(change.if_match):
        return None
    try:
        entry = await target.connector.get(change.type, present["id"], members=True) or present
        return await Membership(services).shown(target, situation.resource, entry)
    except TargetError as error:
        raise answer_to_change(target.name, error) from error
