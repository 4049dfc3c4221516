"""What a visitor reads who has the chosen plan already, and what they can do about it."""

from dataclasses import dataclass

from aiohttp import web

from billing.model import AlreadyHeld, Remedy
from checkout_pages.render import render, render_message


@dataclass(frozen=True, slots=True)
class _Words:
    """`{plan}` is the chosen plan's name."""

    title: str
    text: str
    button: str
    action: str


_REMEDIES = {
    Remedy.MEND: _Words(
        "Your payment needs you",
        "You have {plan} or a part of it, and its payment failed or rests. It is not sold a second"
        " time: mend the payment at the provider, and it opens again.",
        "Mend your payment",
        "/account/mend",
    ),
    Remedy.RESUME: _Words(
        "You have this plan until its period ends",
        "You cancelled what gives you {plan}, and it still runs. Keep it, and it goes on as"
        " before; nothing is charged now.",
        "Keep it after all",
        "/account/resume",
    ),
    Remedy.CHANGE: _Words(
        "Change to {plan}",
        "You pay for a part of it already. {plan} takes the place of that subscription, and only"
        " the difference for the rest of the paid period is charged, at once.",
        "Change to {plan}",
        "/account/change",
    ),
    Remedy.END: _Words(
        "Your payment went back to you",
        "You have what gives you {plan}, but its last payment went back to you or did not come,"
        " so it opens nothing, and it is not sold a second time. End it, and choose {plan} again.",
        "End it now",
        "/account/end",
    ),
}


def render_held(
    request: web.Request, held: AlreadyHeld, *, csrf: str, quantity: int, page: str
) -> web.Response:
    """Tell why nothing is sold; `page` is what the visitor asked for first."""
    words, plan = _REMEDIES.get(held.remedy), held.plan
    if words is None:
        return render_message(
            request,
            "You have this plan already",
            f"{plan.name} is yours; nothing was charged.",
            links=(("go-on", page, "Go on"), ("", "/account", "Your account")),
        )
    fields = {
        "csrf": csrf,
        "subscription": held.subscription_id or "",
        "plan": plan.id,
        "quantity": str(quantity),
    }
    return render(
        request,
        "held.html",
        title=words.title.format(plan=plan.name),
        text=words.text.format(plan=plan.name),
        button=words.button.format(plan=plan.name),
        action=words.action,
        fields=tuple(fields.items()),
    )
