"""Giving money back."""

from collections.abc import Mapping

from billing.apply import Applier
from billing.errors import NotFoundError, NotPossibleError
from billing.facts import ObjectKind, ObjectRef, PaymentState
from billing.model import Cause
from billing.selling.commands import Commands, command_key
from billing.storage import commands as rows
from billing.storage import receipts
from billing.storage.commands import Command, CommandKind, NewCommand
from billing.storage.pool import Database
from billing.storage.receipts import Receipt
from billing.views import RefundView


class Refunds:
    """Asks providers to give money back; access follows from the payment, read again."""

    def __init__(self, database: Database, applier: Applier, commands: Commands) -> None:
        self._database = database
        self._applier = applier
        self._commands = commands

    async def refund(
        self,
        payment_id: str,
        amount_minor: int | None,
        reason: str,
        cause: Cause,
        key: str | None = None,
    ) -> RefundView:
        """Give back the amount, or all that is left where it is None.

        Several add up. `payment_id` is that of a `PaymentView`. The same key and wish is
        carried out once.

        Raises:
            NotFoundError: there is no such payment.
            NotPossibleError: it was not paid, or less than the amount is left of it.
            KeyConflictError: the key was used for another wish.
            ProviderRefusedError: the provider will not give it back.
            UnavailableError: try again with the same key.
        """
        receipt = await self._get(payment_id)
        name = command_key(CommandKind.REFUND, receipt.client_id, key)
        wish = {"payment": receipt.id, "amount_minor": amount_minor, "reason": reason}
        command = await self._commands.find(name, wish)
        if command is None:
            command = await self._write(receipt, amount_minor, name, wish, cause)
        refund_id = await self._commands.carry_out(command, cause)
        return RefundView(
            id=command.id,
            payment_id=receipt.id,
            amount_minor=command.params["amount_minor"],
            currency=receipt.currency,
            reason=reason,
            psp_refund_id=refund_id or "",
            created_at=command.created_at,
        )

    async def _get(self, payment_id: str) -> Receipt:
        async with self._database.connection() as connection:
            found = await receipts.find_receipt(connection, payment_id)
        if found is None:
            raise NotFoundError(f"there is no payment {payment_id}")
        return found

    async def _write(
        self,
        receipt: Receipt,
        amount_minor: int | None,
        name: str,
        wish: Mapping[str, object],
        cause: Cause,
    ) -> Command:
        """Write the refund, if so much is left when the refunds under way have their part."""
        if receipt.payment_id is None or receipt.psp_payment_id is None:
            raise NotPossibleError("nothing was paid")
        # Somebody may have given money back at the provider itself.
        await self._applier.apply(ObjectRef(ObjectKind.PAYMENT, receipt.psp_payment_id), cause)
        receipt = await self._get(receipt.id)
        if receipt.payment is not PaymentState.PAID or receipt.psp_intent_id is None:
            raise NotPossibleError("nothing was paid here that could be given back")
        async with self._database.transaction() as connection:
            left_minor = await receipts.lock_payment(connection, str(receipt.payment_id))
            left_minor -= await rows.reserved_minor(connection, str(receipt.payment_id))
            amount_minor = left_minor if amount_minor is None else amount_minor
            if not 0 < amount_minor <= left_minor:
                raise NotPossibleError(f"of this payment {left_minor} {receipt.currency} are left")
            command = NewCommand(
                key=name,
                client_id=receipt.client_id,
                kind=CommandKind.REFUND,
                subject=str(receipt.payment_id),
                wish=wish,
                params={
                    "payment": receipt.psp_payment_id,
                    "intent": receipt.psp_intent_id,
                    # Said in full: "all that is left" would be another amount on a repeat.
                    "amount_minor": amount_minor,
                },
                actor=cause.actor,
            )
            return await self._commands.write(connection, command, cause)
