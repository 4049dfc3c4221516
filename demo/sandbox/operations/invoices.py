"""Invoices and their payments."""

from collections.abc import Callable

from demo.sandbox.collection import pay_on_request
from demo.sandbox.errors import APIError
from demo.sandbox.invoices import finalize_invoice, mark_uncollectible, void_invoice
from demo.sandbox.ledger import Ledger
from demo.sandbox.listing import INVOICE_STATUS, PAGE, list_objects
from demo.sandbox.operations.call import Call, Operation, list_of, retrieve
from demo.sandbox.params import boolean, choice, group, text
from demo.sandbox.shapes import JSONObject
from demo.sandbox.standing import follow_invoice


def _act(act: Callable[[Ledger, JSONObject, int], None]) -> Callable[[Call], JSONObject]:
    def run(call: Call) -> JSONObject:
        invoice = call.subject("invoice")
        act(call.ledger, invoice, call.at_s)
        follow_invoice(call.ledger, invoice, call.at_s)
        return invoice

    return run


def _pay(call: Call) -> JSONObject:
    invoice = call.subject("invoice")
    try:
        pay_on_request(call.ledger, invoice, call.fields, call.at_s)
    except APIError as error:
        if error.is_kept:
            follow_invoice(call.ledger, invoice, call.at_s)
        raise
    follow_invoice(call.ledger, invoice, call.at_s)
    return invoice


def _payments(call: Call) -> JSONObject:
    params = dict(call.params)
    payment = params.pop("payment", {})
    if "payment_intent" in payment:
        params["payment_intent"] = payment["payment_intent"]
    return list_objects(call.ledger, "invoice_payment", call.path, params)


INVOICES = (
    Operation(
        "GET",
        "/v1/invoices",
        list_of("invoice"),
        {**PAGE, "customer": text, "status": INVOICE_STATUS, "subscription": text},
    ),
    Operation("GET", "/v1/invoices/{id}", retrieve("invoice")),
    Operation("POST", "/v1/invoices/{id}/finalize", _act(finalize_invoice)),
    Operation(
        "POST",
        "/v1/invoices/{id}/pay",
        _pay,
        {"paid_out_of_band": boolean, "payment_method": text, "off_session": boolean},
    ),
    Operation("POST", "/v1/invoices/{id}/void", _act(void_invoice)),
    Operation("POST", "/v1/invoices/{id}/mark_uncollectible", _act(mark_uncollectible)),
    Operation(
        "GET",
        "/v1/invoice_payments",
        _payments,
        {
            **PAGE,
            "invoice": text,
            "payment": group({"type": choice("payment_intent"), "payment_intent": text}),
            "status": choice("canceled", "open", "paid"),
        },
    ),
    Operation("GET", "/v1/invoice_payments/{id}", retrieve("invoice_payment")),
)
