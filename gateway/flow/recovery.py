"""Operations whose end is not known: the target is asked, and the journal put right."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import structlog

from gateway.flow.answers import answer_to_change
from gateway.flow.deliver import holds
from gateway.flow.lookup import find_entry
from gateway.flow.model import Services, Target
from gateway.flow.ports import (
    Attributes,
    Event,
    Intent,
    Key,
    Link,
    Operation,
    Outcome,
    Personal,
    Resource,
    ResourceType,
    Settlement,
    StaleFence,
    TargetError,
)
from gateway.scim.difference import compare, overlay

log = structlog.get_logger()


class Recovery:
    """Settles doubtful operations, one at a time under their keys."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def settle_doubt(self, target: Target, kind: ResourceType, keys: Iterable[Key]) -> None:
        """Settle every open operation that holds one of the keys, which the caller has taken.

        Raises the GatewayError for a target that cannot be asked.
        """
        for operation in await self._services.operations.open(target.name, tuple(keys)):
            if operation.intent.type is kind:
                try:
                    await self._resolve(target, operation)
                except StaleFence:
                    continue  # settled under another of its keys in the meantime
                except TargetError as error:
                    raise answer_to_change(target.name, error) from error

    async def at_start(self, target: Target) -> None:
        """Settle what an earlier process left open; what cannot be settled now waits for the next change."""
        for operation in await self._services.operations.open(target.name, ()):
            intent = operation.intent
            async with self._services.locks.hold(target.name, intent.keys, target.policy.deadline):
                try:
                    await self._resolve(target, operation)
                except StaleFence:
                    continue  # a change that came first has settled it
                except TargetError as error:
                    log.warning("operation.still_open", target=target.name, reason=type(error).__name__)
                    return

    async def _resolve(self, target: Target, operation: Operation) -> None:
        await self._services.sleep(self._quiet(target, operation))
        owned = await self._services.operations.take_over(operation)
        known = await self._known(owned.intent)
        entry, applied = await self._what_became(target, owned.intent, known)
        resource = await self._resource(owned.intent, known, entry) if applied else None
        outcome = Outcome.APPLIED if applied else Outcome.FAILED
        event = self._event(owned.intent, outcome)
        await self._services.operations.settle(owned, Settlement(outcome, event, resource))
        log.info("operation.recovered", target=target.name, outcome=outcome.value)

    def _quiet(self, target: Target, operation: Operation) -> float:
        """Return the seconds until a request sent before the doubt can no longer take effect."""
        age = _seconds_between(operation.opened, self._services.now())
        return max(0.0, target.policy.settle - age)

    async def _known(self, intent: Intent) -> Resource | None:
        if not intent.resource_id:
            return None
        own = (Key("id", intent.resource_id),)
        return next(iter(await self._services.resources.find(intent.base, intent.type, own)), None)

    async def _what_became(
        self, target: Target, intent: Intent, known: Resource | None
    ) -> tuple[Attributes | None, bool]:
        """Return the target's entry and whether the operation certainly took effect.

        "No" is safe where it is wrong: what the target shows is then seen as changed there. "Yes" is not.
        """
        if intent.operation == "create":
            entry = await find_entry(target, intent.type, intent.wanted)
            return entry, entry is not None and holds(target.mapping, intent.wanted, entry)
        entry = await target.connector.get(intent.type, intent.target_id or "")
        if intent.operation == "delete":
            return entry, entry is None
        if entry is None or not holds(target.mapping, intent.wanted, entry):
            return entry, False
        sent = known.links[intent.target].sent if known and intent.target in known.links else {}
        shown = target.mapping.forward(target.mapping.reverse(entry)).form
        return entry, not compare(shown, overlay(shown, compare(sent, intent.wanted)))

    async def _resource(self, intent: Intent, known: Resource | None, entry: Attributes | None) -> Resource:
        now = self._services.now()
        link = Link(intent.target, entry["id"] if entry else None, intent.wanted, entry)
        if known is not None:
            links = {**known.links, intent.target: link}
            return replace(known, original=intent.original, state=intent.state, modified=now, links=links)
        resource_id = intent.resource_id or await self._new_id(intent, link.target_id)
        return Resource(
            intent.base,
            intent.type,
            resource_id,
            intent.original,
            intent.state,
            now,
            now,
            links={intent.target: link},
        )

    async def _new_id(self, intent: Intent, target_id: str | None) -> str:
        if target_id is None:
            return self._services.new_id()
        used = await self._services.resources.find(intent.base, intent.type, (Key("id", target_id),))
        return self._services.new_id() if used else target_id

    def _event(self, intent: Intent, outcome: Outcome) -> Event:
        reason = "found on the target" if outcome is Outcome.APPLIED else "not found on the target"
        return Event(
            self._services.new_id(),
            {
                "event": "operation.recovered",
                "outcome": {"result": outcome.value, "status": None, "reason": reason},
                "actor": {"type": "gateway", "name": "recovery", "token": None},
                "client": {"ip": None, "user_agent": None},
                "target": {
                    "name": intent.target,
                    "type": intent.type.value,
                    "id": intent.resource_id or None,
                    "user_name": Personal(intent.original.get("userName")),
                },
                "correlation_id": intent.correlation_id,
            },
        )


def _seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
