"""Invoices: drawn up over lines, finalized, and closed without payment.

Paying them is `collection`; what comes of it for the subscription is `standing`.
"""

from demo.sandbox.customers import get_living
from demo.sandbox.errors import APIError
from demo.sandbox.ledger import Ledger
from demo.sandbox.payments import cancel_intent, open_intent
from demo.sandbox.shapes import JSONObject

# What the next invoice of a subscription takes in: prorations that were not invoiced at once.
_PENDING_LINE = "sandbox.pending_line"


def draw_invoice(
    ledger: Ledger,
    subscription: JSONObject,
    lines: list[JSONObject],
    *,
    reason: str,
    at_s: int,
    period_start_s: int | None = None,
) -> JSONObject:
    """Save and announce a draft over `lines` and over what waited for the next invoice."""
    customer = ledger.get("customer", subscription["customer"])
    lines = [*_take_pending(ledger, subscription["id"]), *lines]
    invoice = ledger.build(
        "invoice",
        at_s,
        auto_advance=True,
        status="draft",
        billing_reason=reason,
        currency=subscription["currency"],
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        default_payment_method=None,
        effective_at=None,
        period_start=at_s if period_start_s is None else period_start_s,
        period_end=at_s,
        starting_balance=customer["balance"],
        parent={
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
    )
    total = sum(line["amount"] for line in lines)
    due = max(0, total + customer["balance"])
    invoice |= dict.fromkeys(
        ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), total
    )
    invoice |= {"amount_due": due, "amount_remaining": due}
    for line in lines:
        line["invoice"] = invoice["id"]
    invoice["lines"] |= {"data": lines, "url": f"/v1/invoices/{invoice['id']}/lines"}
    ledger.save(invoice)
    ledger.announce("invoice.created", invoice, at_s)
    return invoice


def finalize_invoice(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Give the draft its number and open it; what it asks for gets a payment intent.

    The customer's balance is used up here. A total below zero goes onto the balance.

    Raises:
        APIError: the invoice is no draft, or its customer has been deleted.
    """
    if invoice["status"] != "draft":
        raise APIError("This invoice is already finalized, you can't re-finalize it.")
    customer = get_living(ledger, invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    # Another invoice may have used the balance up while this one was a draft.
    due = max(0, invoice["total"] + customer["balance"])
    balance = customer["balance"] + invoice["total"] - due
    ledger.save(customer | {"next_invoice_sequence": sequence + 1})
    ledger.update("customer.updated", ledger.get("customer", customer["id"]), at_s, balance=balance)
    invoice |= {
        "status": "open",
        "amount_due": due,
        "amount_remaining": due,
        "effective_at": at_s,
        "hosted_invoice_url": _page_url(ledger, invoice),
        "starting_balance": customer["balance"],
        "ending_balance": balance,
        "number": f"{customer['invoice_prefix']}-{sequence:04d}",
    }
    invoice["status_transitions"]["finalized_at"] = at_s
    if invoice["amount_due"]:
        _ask_for_payment(ledger, invoice, at_s)
    ledger.save(invoice)
    ledger.announce("invoice.finalized", invoice, at_s)


def move_open_invoices(ledger: Ledger) -> None:
    """Point open invoices to where the sandbox is now; see `move_open_sessions`."""
    with ledger.store.transaction():
        for invoice in list(ledger.store.oldest("invoice")):
            url, old = _page_url(ledger, invoice), invoice["hosted_invoice_url"]
            if invoice["status"] == "open" and old != url:
                if old is not None:
                    ledger.store.rewrite_answers(old, url)
                ledger.save(invoice | {"hosted_invoice_url": url})


def void_invoice(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Close the invoice as if it had never been; its payment intent is cancelled.

    Raises:
        APIError: the invoice is a draft, paid, or void.
    """
    _check_status(invoice, "open", "uncollectible", act="void")
    customer = ledger.get("customer", invoice["customer"])
    if "deleted" not in customer:
        balance = customer["balance"] + invoice["amount_due"] - invoice["total"]
        ledger.update("customer.updated", customer, at_s, balance=balance)
    _give_up_payment(ledger, invoice, at_s, reason="void_invoice")
    _close(ledger, invoice, "void", at_s)
    ledger.announce("invoice.voided", invoice, at_s)


def mark_uncollectible(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Write the invoice off. It may still be paid.

    Raises:
        APIError: the invoice is not open.
    """
    _check_status(invoice, "open", act="mark as uncollectible")
    _close(ledger, invoice, "uncollectible", at_s)
    ledger.announce("invoice.marked_uncollectible", invoice, at_s)


def hold_invoice(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Let nothing more happen to the invoice by itself."""
    changes: JSONObject = {"auto_advance": False, "next_payment_attempt": None}
    ledger.update("invoice.updated", invoice, at_s, **changes)


def stop_collecting(ledger: Ledger, subscription_id: str, at_s: int) -> None:
    """Leave the subscription's open invoices open, and try nothing more on them by itself."""
    for invoice in list(ledger.store.newest("invoice", where={"subscription": subscription_id})):
        if invoice["status"] in {"draft", "open"} and invoice["auto_advance"]:
            hold_invoice(ledger, invoice, at_s)


def add_pending_lines(ledger: Ledger, subscription_id: str, lines: list[JSONObject]) -> None:
    """Keep the lines for the subscription's next invoice."""
    for line in lines:
        kept = {"id": f"pending_{line['id']}", "object": _PENDING_LINE, "line": line}
        ledger.store.save(kept, owner=subscription_id)


def is_refused(invoice: JSONObject) -> bool:
    """Tell whether the invoice is open because a payment was tried and refused."""
    return bool(invoice["status"] == "open" and invoice["attempted"])


def subscription_of(invoice: JSONObject) -> str:
    """Return the id of the subscription that the invoice is for."""
    return str(invoice["parent"]["subscription_details"]["subscription"])


def payment_of(ledger: Ledger, invoice: JSONObject) -> JSONObject | None:
    """Return the invoice payment that stands for its intent; None if nothing was asked for."""
    return next(ledger.store.newest("invoice_payment", where={"invoice": invoice["id"]}), None)


def payments_list(ledger: Ledger, invoice_id: str) -> JSONObject:
    """Return the invoice's `payments` as they stand when expanded."""
    return {
        "object": "list",
        "url": f"/v1/invoice_payments?invoice={invoice_id}",
        "has_more": False,
        "data": list(ledger.store.newest("invoice_payment", where={"invoice": invoice_id})),
    }


def _ask_for_payment(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    intent = open_intent(
        ledger,
        amount_minor=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        at_s=at_s,
    )
    payment = ledger.build(
        "invoice_payment",
        at_s,
        amount_requested=invoice["amount_due"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
    )
    ledger.save(payment)


def _give_up_payment(ledger: Ledger, invoice: JSONObject, at_s: int, *, reason: str) -> None:
    payment = payment_of(ledger, invoice)
    if payment is None or payment["status"] != "open":
        return
    intent = ledger.get("payment_intent", payment["payment"]["payment_intent"])
    cancel_intent(ledger, intent, at_s, reason=reason)
    payment["status"] = "canceled"
    payment["status_transitions"]["canceled_at"] = at_s
    ledger.save(payment)


def give_up_payment(ledger: Ledger, invoice: JSONObject, at_s: int) -> None:
    """Cancel the invoice's intent: it was paid in some other way."""
    _give_up_payment(ledger, invoice, at_s, reason="automatic")


def _page_url(ledger: Ledger, invoice: JSONObject) -> str:
    return f"{ledger.public_url}/i/{invoice['id']}"


def _close(ledger: Ledger, invoice: JSONObject, status: str, at_s: int) -> None:
    invoice |= {"status": status, "auto_advance": False, "next_payment_attempt": None}
    moment = "voided_at" if status == "void" else "marked_uncollectible_at"
    invoice["status_transitions"][moment] = at_s
    ledger.save(invoice)


def _check_status(invoice: JSONObject, *accepted: str, act: str) -> None:
    if invoice["status"] not in accepted:
        raise APIError(f"You cannot {act} an invoice with a status of {invoice['status']}.")


def _take_pending(ledger: Ledger, subscription_id: str) -> list[JSONObject]:
    kept = list(ledger.store.oldest(_PENDING_LINE, owner=subscription_id))
    for one in kept:
        ledger.store.delete(one["id"])
    return [one["line"] for one in kept]
