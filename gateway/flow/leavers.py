"""Removals: within the brake, and never lost, even where the target cannot be asked now."""

from collections.abc import Iterable
from contextlib import suppress

from gateway.errors import Busy, GatewayError, InvalidValue, PreconditionFailed, Uniqueness
from gateway.flow.brake import Brake
from gateway.flow.decide import Plan, Situation, decide
from gateway.flow.intents import intent_of
from gateway.flow.journal_port import Key, KeysTaken, Mark, Operation, Outcome, StaleFence, Standing
from gateway.flow.look import recalled
from gateway.flow.model import Change, Services
from gateway.flow.precondition import refuse_outdated
from gateway.flow.record import Record
from gateway.flow.recovery import replaced
from gateway.flow.retry import try_again_in
from gateway.flow.target_port import TargetError
from gateway.flow.times import plus


class Leavers:
    """Records removals: within the brake, and even where the target cannot be asked."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._brake = Brake(services)

    async def claim(self, change: Change, situation: Situation, plan: Plan, record: Record) -> Operation:
        """Record the intent; raises Busy where it is a removal too many, which is then held."""
        intent = intent_of(change, situation, plan, self._services.new_id())
        operations = self._services.operations
        if not intent.removes:
            return await operations.claim(intent)
        async with self._brake.turn(change.target) as reason:
            operation = await operations.claim(intent)
            if reason is None:
                return operation
            event = record.event(Outcome.PENDING, change.caller.busy_status, reason)
            await operations.mark(operation, Mark(Standing.HELD, reason), event)
        record.is_written = True
        raise Busy(reason)

    async def keep(
        self,
        change: Change,
        keys: frozenset[Key],
        record: Record,
        answer: GatewayError,
        fault: TargetError | None = None,
    ) -> None:
        """Record a deactivation that cannot be made now, in place of what stood before it under these keys.

        It stays pending until it is applied or replaced. What is no deactivation is not kept.
        """
        situation = await recalled(self._services, change, keys)
        if situation is None:
            return
        with suppress(InvalidValue, PreconditionFailed, Uniqueness, KeysTaken, StaleFence):
            await refuse_outdated(self._services, change, situation)
            plan = decide(change, situation)
            intent = intent_of(change, situation, plan, "")
            if not intent.removes or not frozenset(intent.keys) <= keys:
                return
            unsettled = await self._services.operations.open(change.target.name, tuple(keys))
            earlier = [operation for operation in unsettled if operation.intent.type is change.type]
            if any(operation.intent.removes for operation in earlier):
                return
            await self._replace(earlier)
            record.plan, record.differences = plan, plan.differences
            operation = await self.claim(change, situation, plan, record)
            mark = self._mark(change, earlier, answer, fault)
            event = record.refusal(answer, answer.told(change.caller.busy_status))
            await self._services.operations.mark(operation, mark, event)
            record.is_written = True

    def _mark(
        self, change: Change, earlier: Iterable[Operation], answer: GatewayError, fault: TargetError | None
    ) -> Mark:
        """Return how the removal stands: what was in doubt before it may still take effect after it."""
        now = self._services.now()
        if any(o.standing in (Standing.OPEN, Standing.DOUBT) for o in earlier):
            return Mark(Standing.DOUBT, answer.detail, plus(now, change.target.policy.settle))
        return Mark(Standing.PENDING, answer.detail, plus(now, try_again_in(1, fault)))

    async def _replace(self, earlier: Iterable[Operation]) -> None:
        for operation in earlier:
            await replaced(self._services, operation)
