"""Payments, refunds and subscriptions."""

from billing.api import problems
from billing.api.models import money
from billing.api.operation import Operation
from billing.api.table import examples

_SELLING = (
    problems.ALREADY_HELD,
    problems.PAYMENT_SETTLING,
    problems.PROVIDER_REFUSED,
    problems.UNKNOWN_PLAN,
)

OPERATIONS = (
    Operation(
        id="start_payment",
        method="POST",
        path="/payments",
        tag="payments",
        summary="Start a payment",
        description="Opens the provider's page on which the client pays for a plan, once or as a"
        " subscription. While one is open for the client and the plan, that one is answered.",
        action="payments:write",
        body=money.StartPayment,
        answer=money.Payment,
        status=201,
        problems=_SELLING,
        is_keyed=True,
        request_example=examples.START_PAYMENT,
        answer_example=examples.OPEN_PAYMENT,
    ),
    Operation(
        id="list_payments",
        method="GET",
        path="/payments",
        tag="payments",
        summary="List payments",
        action="payments:read",
        query=money.PaymentQuery,
        answer=money.PaymentPage,
        answer_example=examples.page_of(examples.PAID_PAYMENT),
    ),
    Operation(
        id="get_payment",
        method="GET",
        path="/payments/{payment_id}",
        tag="payments",
        summary="Look at a payment",
        action="payments:read",
        answer=money.Payment,
        problems=(problems.NO_SUCH_THING,),
        answer_example=examples.PAID_PAYMENT,
    ),
    Operation(
        id="refund_payment",
        method="POST",
        path="/payments/{payment_id}/refunds",
        tag="payments",
        summary="Give money back",
        description="A payment that goes back as a whole takes with it what it paid for; a part"
        " of it changes nothing of what the client may use.",
        action="refunds:write",
        body=money.GiveBack,
        answer=money.Refund,
        status=201,
        problems=(problems.NO_SUCH_THING, problems.CONFLICT, problems.PROVIDER_REFUSED),
        is_keyed=True,
        request_example=examples.GIVE_BACK,
        answer_example=examples.REFUND,
    ),
    Operation(
        id="save_subscription",
        method="POST",
        path="/subscriptions",
        tag="subscriptions",
        summary="Begin or change a subscription",
        description="A new one is `pending` until somebody pays at its `checkout_url`. A change"
        " that costs more holds once it is paid for; one that costs less holds at once, and what"
        " was paid too much is credited.",
        action="subscriptions:write",
        body=money.SaveSubscription,
        answer=money.Subscription,
        problems=(
            problems.NO_SUCH_THING,
            *_SELLING,
            problems.PAYMENT_NEEDED,
            problems.CONFLICT,
        ),
        is_keyed=True,
        request_example=examples.NEW_SUBSCRIPTION,
        answer_example=examples.SUBSCRIPTION,
    ),
    Operation(
        id="list_subscriptions",
        method="GET",
        path="/subscriptions/{id}",
        tag="subscriptions",
        summary="List a client's subscriptions",
        action="subscriptions:read",
        answer=money.SubscriptionList,
        problems=(problems.NO_SUCH_THING,),
        answer_example={"items": [examples.SUBSCRIPTION]},
    ),
    Operation(
        id="end_subscription",
        method="DELETE",
        path="/subscriptions/{id}",
        tag="subscriptions",
        summary="End a subscription",
        action="subscriptions:write",
        query=money.EndQuery,
        answer=money.Subscription,
        problems=(problems.NO_SUCH_THING, problems.CONFLICT, problems.PROVIDER_REFUSED),
        answer_example=examples.CANCELING,
    ),
)
