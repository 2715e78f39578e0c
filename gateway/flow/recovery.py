"""Operations whose end is not known: ask the target, do what must still be done, put the journal right."""

from collections.abc import Iterable

import structlog

from gateway.errors import Busy, GatewayError
from gateway.flow.answers import answer_to_change
from gateway.flow.decide import update_of
from gateway.flow.deliver import holds
from gateway.flow.lookup import find_entry
from gateway.flow.model import Services, Target
from gateway.flow.ports import (
    Attributes,
    Conflict,
    Event,
    Intent,
    Key,
    Mark,
    Missing,
    Operation,
    Outcome,
    Personal,
    Refused,
    Resource,
    ResourceType,
    Settlement,
    StaleFence,
    Standing,
    TargetError,
)
from gateway.flow.remember import Known, remembered
from gateway.flow.retry import is_dead, try_again_in
from gateway.flow.times import between, plus
from gateway.log import correlation_id
from gateway.scim.difference import Difference, compare, overlay

log = structlog.get_logger()


class Recovery:
    """Settles operations one at a time, under their keys."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._started = services.now()
        self._unsure: dict[str, str] = {}  # operation -> when what recovery sent for it got no clear answer

    async def settle_doubt(self, target: Target, kind: ResourceType, keys: Iterable[Key]) -> None:
        """Settle every open operation that holds one of the keys, which the caller has taken.

        Raises Busy for one that is held or dead, and the GatewayError for a target that cannot be asked.
        """
        for operation in await self._services.operations.open(target.name, tuple(keys)):
            if operation.intent.type is not kind:
                continue
            if operation.standing in (Standing.HELD, Standing.DEAD):
                raise Busy(f"an earlier change of this resource is {operation.standing}: {operation.reason}")
            try:
                await self._resolve(target, operation, waited_for=True)
            except TargetError as error:
                raise answer_to_change(target.name, error) from error

    async def sweep(self, target: Target) -> None:
        """Try everything that is due, leavers first; what cannot be settled now is due again later."""
        now = self._services.now()
        waiting = await self._services.operations.open(target.name, ())
        for operation in sorted(waiting, key=lambda o: (not o.intent.removes, o.opened)):
            if operation.standing in (Standing.HELD, Standing.DEAD) or operation.due > now:
                continue
            try:
                await self._swept(target, operation)
            except Busy:
                continue  # its change is still under way, or the journal is not writable
            except (TargetError, GatewayError) as error:
                log.warning("operation.still_open", target=target.name, reason=type(error).__name__)

    async def _swept(self, target: Target, operation: Operation) -> None:
        """Settle one operation unless the change that it belongs to is still under way."""
        keys = operation.intent.keys
        async with self._services.locks.hold(target.name, keys, patience=0):
            for now in await self._services.operations.open(target.name, keys):
                if now.intent.op_id == operation.intent.op_id and now.fence == operation.fence:
                    await self._resolve(target, now, waited_for=False)

    async def _resolve(self, target: Target, operation: Operation, *, waited_for: bool) -> None:
        """Find out, do what must still be done, settle; raises TargetError after putting it off.

        `waited_for`: a provider asks for something newer, so only what it cannot replace is sent again.
        """
        await self._services.sleep(self._quiet(target, operation))
        try:
            owned = await self._services.operations.take_over(operation)
        except StaleFence:
            return  # settled under another of its keys in the meantime
        name = correlation_id.set(owned.intent.correlation_id)  # what is sent now is sent on its word
        try:
            await self._settle(target, owned, waited_for=waited_for)
        except TargetError as error:
            await self._put_off(target, owned, error)
            raise
        finally:
            correlation_id.reset(name)

    async def _settle(self, target: Target, owned: Operation, *, waited_for: bool) -> None:
        intent = owned.intent
        known = await self._known(intent)
        entry, applied = await self._what_became(target, intent, known)
        if not applied and _is_sent_again(intent, waited_for=waited_for):
            entry, applied = await self._send_again(target, intent, known, entry)
        resource = await self._resource(intent, known, entry) if applied else None
        outcome = Outcome.APPLIED if applied else Outcome.FAILED
        reason = "found on the target" if applied else "not found on the target"
        event = recovery_event(self._services.new_id(), intent, "operation.recovered", outcome, reason)
        await self._services.operations.settle(owned, Settlement(outcome, event, resource))
        self._unsure.pop(intent.op_id, None)
        self._services.sights.forget(target.name, intent.type, intent.target_id or "")
        log.info("operation.recovered", target=target.name, outcome=outcome.value)

    async def _put_off(self, target: Target, operation: Operation, error: TargetError) -> None:
        """Try again later, or give up where it was tried often enough; nobody who leaves is given up."""
        reason = f"{type(error).__name__}: {error.reason}"
        dead = not operation.intent.removes and is_dead(operation.attempts)
        due = plus(self._services.now(), try_again_in(operation.attempts))
        standing = Standing.DEAD if dead else Standing.DOUBT
        await self._services.operations.mark(operation, Mark(standing, reason, due))
        if dead:
            log.error("operation.dead", target=target.name, id=operation.intent.op_id, reason=reason)

    def _quiet(self, target: Target, operation: Operation) -> float:
        """Return the seconds until a request sent before the doubt can no longer take effect."""
        if operation.standing is Standing.PENDING:
            return 0.0
        now = self._services.now()
        if operation.due and operation.attempts == 1:
            return min(max(0.0, between(now, operation.due)), target.policy.settle)
        since = max(operation.opened, self._started, self._unsure.get(operation.intent.op_id, ""))
        return max(0.0, target.policy.settle - between(since, now))

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
        return entry, entry is not None and not _missing(target, intent, known, entry)

    async def _send_again(
        self, target: Target, intent: Intent, known: Resource | None, entry: Attributes | None
    ) -> tuple[Attributes | None, bool]:
        """Do what was not done; raises TargetError, but not for data that the target will never take."""
        try:
            if intent.operation == "delete":
                await target.connector.delete(intent.type, intent.target_id or "")
                return None, True
            if entry is None:
                return None, intent.removes
            missing = _missing(target, intent, known, entry)
            update = update_of(entry, missing, intent.wanted, {})
            answer = await target.connector.change(intent.type, entry["id"], update)
            return answer or await target.connector.get(intent.type, entry["id"]), True
        except Missing:
            return None, intent.removes
        except (Refused, Conflict):
            if intent.removes:
                raise
            return entry, False
        except TargetError as error:
            if error.maybe_applied:
                self._unsure[intent.op_id] = self._services.now()
            raise

    async def _resource(self, intent: Intent, known: Resource | None, entry: Attributes | None) -> Resource:
        state = Known(intent.target, intent.type, intent.original, intent.state, intent.wanted, entry)
        return await remembered(self._services, known, state, intent.resource_id or None, replied=False)


def recovery_event(
    id: str, intent: Intent, name: str, outcome: Outcome, reason: str | None, actor: str = "recovery"
) -> Event:
    """Return the event of something done to an operation by the gateway or its administrator."""
    return Event(
        id,
        {
            "event": name,
            "outcome": {"result": outcome.value, "status": None, "reason": reason},
            "actor": {"type": "gateway", "name": actor, "token": None},
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


def _is_sent_again(intent: Intent, *, waited_for: bool) -> bool:
    """A leaver always leaves; a create nobody waits for is not sent again (DESIGN section 7)."""
    return intent.removes or (intent.operation != "create" and not waited_for)


def _missing(
    target: Target, intent: Intent, known: Resource | None, entry: Attributes
) -> tuple[Difference, ...]:
    """Return what the entry lacks of the wanted form, and what it still has that was to be removed."""
    shown = target.mapping.forward(target.mapping.reverse(entry)).form
    sent = known.links[intent.target].sent if known and intent.target in known.links else {}
    wanted = overlay(shown, compare(sent, intent.wanted))
    lacking = (d for d in compare(shown, intent.wanted) if d.after is not None)
    return compare(shown, overlay(wanted, lacking))
