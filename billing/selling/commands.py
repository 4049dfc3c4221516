"""Asking a provider for something, so that no crash loses it and no repeat does it twice.

A command is a committed row before the provider is asked, and the row's key is the
provider's idempotency key. Whoever crashes in between leaves a pending row, which
`resume` carries out with the same key: the provider does it, or tells that it was done.
Then the object is read again, by the one way in which state comes about.
"""

import hashlib
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from billing.apply import Applier
from billing.errors import (
    BillingError,
    KeyConflictError,
    PaymentNeededError,
    ProviderRefusedError,
    UnavailableError,
)
from billing.facts import ObjectKind, ObjectRef, SubscriptionChange
from billing.metrics import NO_METER, Alarm, Meter
from billing.model import Cause, Source
from billing.ports import Clock, ProviderSeller
from billing.storage import audit, commands, holdings
from billing.storage.commands import Command, CommandKind, CommandState, NewCommand
from billing.storage.pool import Connection, Database

_log = structlog.get_logger("billing.commands")

# Longer than a command takes in health, time-outs and retries included.
_PATIENCE = timedelta(minutes=1)
# Stripe keeps idempotency keys for a day at least (API reference, "Idempotent requests");
# after that a repeat could do it a second time.
_KEY_LIFE = timedelta(hours=23)
_MOST_AT_ONCE = 100


def command_key(kind: CommandKind, client_id: str, key: str | None) -> str:
    """Return the provider's key for a caller's; without one, a key of its own.

    A digest, since the caller's may be anything, and another client's the same.
    """
    if key is None:
        return f"{kind}:{uuid.uuid4()}"
    return f"{kind}:{hashlib.sha256(f'{client_id}:{key}'.encode()).hexdigest()}"


class Commands:
    """Carries out commands at one provider. `wall` is the machine's clock."""

    def __init__(
        self,
        database: Database,
        seller: ProviderSeller,
        applier: Applier,
        wall: Clock,
        *,
        psp: str,
        livemode: bool,
        meter: Meter = NO_METER,
    ) -> None:
        self._database = database
        self._seller = seller
        self._applier = applier
        self._wall = wall
        self._psp = psp
        self._livemode = livemode
        self._meter = meter

    async def find(self, key: str, wish: Mapping[str, Any]) -> Command | None:
        """Return the command that the key was used for.

        Raises:
            KeyConflictError: it was used for another wish.
        """
        async with self._database.connection() as connection:
            return _same(await commands.find_command(connection, key), wish)

    async def write(self, connection: Connection, command: NewCommand, cause: Cause) -> Command:
        """Write the command, and the wish into the audit log; find the one of the same key.

        It is carried out only once the caller's transaction is committed.

        Raises:
            KeyConflictError: the key was used for another wish.
        """
        written = await commands.insert_command(
            connection, command, self._psp, livemode=self._livemode, now=self._wall()
        )
        if written is None:
            found = _same(await commands.find_command(connection, command.key), command.wish)
            if found is None:
                raise UnavailableError("the same key is being used at this moment")
            return found
        await audit.write_audit(
            connection,
            f"command.{command.kind}",
            command.client_id,
            cause,
            after={"command": written.id, "subject": command.subject, **command.wish},
        )
        return written

    async def carry_out(self, command: Command, cause: Cause) -> str | None:
        """Ask the provider, read the object again, and return the result; once done, just that.

        What waited for its payment is read again, and settled if it waits no more.

        Raises:
            PaymentNeededError: it holds once the client has paid.
            ProviderRefusedError: the provider said no, now or when it was first asked.
            UnavailableError: nobody knows yet; it goes on being tried.
        """
        if command.state is CommandState.UNPAID:
            await self._look_again(command, cause)
            return None
        if command.state is not CommandState.PENDING:
            return _answer_of(command)
        try:
            result = await self._ask(command)
            await self._apply(command, cause)
        except PaymentNeededError as error:
            await self._apply(command, cause)
            await self._settle(command, CommandState.UNPAID, result=error.url, error=str(error))
            raise
        except ProviderRefusedError as error:
            await self._settle(command, CommandState.REFUSED, error=str(error))
            raise
        except UnavailableError as error:
            await self._note(command, error)
            raise
        await self._settle(command, CommandState.DONE, result=result)
        return result

    async def _look_again(self, command: Command, cause: Cause) -> None:
        """Tell what holds now of a change that waited for its payment.

        Stripe makes the change by itself once it is paid for, and forgets it after 23 hours.
        """
        await self._apply(command, cause)
        params = command.params
        async with self._database.connection() as connection:
            item = await holdings.find_item_standing(
                connection,
                self._psp,
                params["subscription"],
                params["item"],
                livemode=self._livemode,
            )
        is_made = (
            item is not None
            and item.quantity == params["quantity"]
            and params["price"] in {None, item.psp_price_id}
        )
        if is_made:
            await self._settle(command, CommandState.DONE)
            return
        is_asked = item is not None and item.is_asked
        if is_asked and not await self._is_overtaken(command):
            raise PaymentNeededError(command.last_error or "not paid yet", command.result)
        # Its page takes no money any more, which must not be asked for there.
        why = "its payment did not come in time, or something else was asked for since"
        await self._settle(command, CommandState.GIVEN_UP, error=why)
        raise _given_up(why)

    async def resume(self) -> int:
        """Carry out what was left pending, and return how many there were.

        What its client has overtaken with another wish is given up, and so is what has too
        old a key: a cancellation, cut off and then resumed, must not come back.

        Raises:
            UnavailableError: the database does not answer.
        """
        now = self._wall()
        async with self._database.connection() as connection:
            pending = await commands.list_pending(
                connection,
                self._psp,
                livemode=self._livemode,
                before=now - _PATIENCE,
                limit=_MOST_AT_ONCE,
            )
        for command in pending:
            if command.created_at <= now - _KEY_LIFE:
                await self._give_up(command)
            elif await self._is_overtaken(command):
                _log.info("command_overtaken", command=command.id, kind=command.kind)
                await self._settle(command, CommandState.GIVEN_UP, error="overtaken by another")
            else:
                await self._carry_on(command)
        return len(pending)

    async def _is_overtaken(self, command: Command) -> bool:
        async with self._database.connection() as connection:
            return await commands.is_overtaken(connection, command)

    async def _carry_on(self, command: Command) -> None:
        try:
            await self.carry_out(command, Cause(Source.RECONCILE, command.actor))
        except BillingError as error:
            _log.warning("command_not_done", command=command.id, kind=command.kind, why=str(error))
        else:
            _log.info("command_done_late", command=command.id, kind=command.kind)

    async def _give_up(self, command: Command) -> None:
        """Stop asking; what the provider did, if anything, the reconciler will read."""
        self._meter.alarmed(Alarm.COMMAND_GIVEN_UP)
        _log.error(
            Alarm.COMMAND_GIVEN_UP.value,
            command=command.id,
            kind=command.kind,
            why=command.last_error,
        )
        await self._settle(command, CommandState.GIVEN_UP, error=command.last_error)

    async def _ask(self, command: Command) -> str | None:
        params, key = command.params, command.key
        match command.kind:
            case CommandKind.CHANGE:
                change = SubscriptionChange(
                    psp_item_id=params["item"],
                    psp_price_id=params["price"],
                    quantity=params["quantity"],
                    is_upgrade=params["is_upgrade"],
                )
                await self._seller.change_subscription(params["subscription"], change, key=key)
            case CommandKind.CANCEL_AT_PERIOD_END:
                await self._seller.cancel_at_period_end(params["subscription"], key=key)
            case CommandKind.CANCEL_NOW:
                await self._seller.cancel_now(params["subscription"], key=key)
            case CommandKind.RESUME:
                await self._seller.resume(params["subscription"], key=key)
            case CommandKind.REFUND:
                return await self._seller.refund(params["intent"], params["amount_minor"], key=key)
        return None

    async def _apply(self, command: Command, cause: Cause) -> None:
        if command.kind is CommandKind.REFUND:
            ref = ObjectRef(ObjectKind.PAYMENT, command.params["payment"])
        else:
            ref = ObjectRef(ObjectKind.SUBSCRIPTION, command.params["subscription"])
        await self._applier.apply(ref, cause)

    async def _settle(
        self,
        command: Command,
        state: CommandState,
        *,
        result: str | None = None,
        error: str | None = None,
    ) -> None:
        async with self._database.transaction() as connection:
            await commands.settle_command(
                connection, command.key, state, self._wall(), result=result, error=error
            )

    async def _note(self, command: Command, error: UnavailableError) -> None:
        try:
            async with self._database.transaction() as connection:
                await commands.note_error(connection, command.key, str(error))
        except UnavailableError:
            # The first trouble is what the caller has to hear of.
            _log.warning("command_not_noted", command=command.id)


def _same(found: Command | None, wish: Mapping[str, Any]) -> Command | None:
    if found is not None and found.wish != dict(wish):
        raise KeyConflictError("this key was used for something else")
    return found


def _answer_of(command: Command) -> str | None:
    """Return or raise what came of a command that is settled."""
    why = command.last_error or "not known"
    match command.state:
        case CommandState.REFUSED:
            raise ProviderRefusedError(why)
        case CommandState.GIVEN_UP:
            raise _given_up(why)
        case _:
            return command.result


def _given_up(why: str) -> ProviderRefusedError:
    return ProviderRefusedError(f"given up: {why}; use another key to try again")
