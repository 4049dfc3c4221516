"""What is sold, and how payments and subscriptions are kept true: keys, units, ranges, defaults."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.section import Section
from gateway.config.values import (
    Currency,
    FeatureName,
    FeatureValue,
    Id,
    MaybeWhole,
    Origin,
    Seconds,
    Secret,
    Sentence,
    Text,
    Whole,
    Word,
    YesOrNo,
)


class StripeConfig(Section):
    """The Stripe account."""

    api_url: Origin = Field("https://api.stripe.com", description="base of Stripe's API")
    secret_key: Secret = Field(description="sk_… or rk_… of the account")
    webhook_secrets: tuple[Secret, ...] = Field(
        min_length=1, description="whsec_… of the endpoint; several while they rotate"
    )
    livemode: YesOrNo = Field(False, description="true takes real money, false test mode")
    timeout_s: Seconds = Field(10.0, description="seconds for one call, its retries included")
    retries: Whole = Field(2, ge=0, le=5, description="repeats of a call that may be repeated")


class WorkerConfig(Section):
    """The worker that applies webhooks."""

    poll_s: Seconds = Field(5.0, description="seconds between looks at the inbox unasked")
    max_attempts: Whole = Field(12, ge=1, le=100, description="tries, then a dead letter")
    concurrency: Whole = Field(
        4,
        ge=0,
        le=64,
        description="objects applied at once; half of database.pool_size at most; 0: none here",
    )


class ReconcileConfig(Section):
    """The reconciler, which finds what no event told."""

    tick_s: Seconds = Field(60.0, description="seconds between two looks for what is due")
    reads_per_second: Whole = Field(
        5, ge=1, le=100, description="objects read again at most, of one to three calls each"
    )
    share_days: Whole = Field(
        1, ge=1, le=30, description="days within which everything is read once"
    )


class BillingConfig(Section):
    """Payments and subscriptions."""

    stripe: StripeConfig = Field(description="the Stripe account")
    worker: WorkerConfig = Field(WorkerConfig(), description="the worker that applies webhooks")
    reconcile: ReconcileConfig = Field(
        ReconcileConfig(), description="the reconciler, which finds what no event told"
    )
    webhook_body_limit_bytes: Whole = Field(
        524_288, ge=1024, le=16_777_216, description="bytes of one webhook at most"
    )
    past_due_grace_days: Whole = Field(
        7, ge=0, le=365, description="days that doors stay open after a renewal failed"
    )
    slack_s: Whole = Field(
        14_400, ge=0, le=86_400, description="seconds past a paid period while its renewal settles"
    )
    open_while_paused: tuple[
        Annotated[Literal["keep_as_draft", "mark_uncollectible"], Word], ...
    ] = Field((), description="pauses of collection that leave doors open")


class PriceConfig(Section):
    """What a plan costs."""

    amount_minor: Whole = Field(ge=0, le=10**12, description="amount in minor units (cents)")
    currency: Currency = Field(description="ISO 4217 code in lower case")
    interval: Annotated[Literal["month", "year", "once"], Word] = Field(
        description="how often it is paid: month, year or once"
    )


class PlanConfig(Section):
    """Something that clients can buy. A published version never changes."""

    id: Id = Field(description="name in headers and logs")
    version: Whole = Field(1, ge=1, le=1_000_000, description="raise it to change the plan")
    name: Text = Field(description="name on the checkout page")
    description: Sentence = Field("", description="a sentence on the checkout page")
    price: PriceConfig = Field(description="what it costs")
    stripe_price: Text = Field(description="price_… at Stripe; one version has one price")
    grace_days: MaybeWhole = Field(
        None, ge=0, le=365, description="days; null is billing.past_due_grace_days"
    )
    trial_days: Whole = Field(
        0, ge=0, le=730, description="days that a client's first one is free; 0 is none"
    )
    max_quantity: Whole = Field(
        1, ge=1, le=10_000, description="how many of it one subscription may have"
    )
    apps: dict[str, dict[FeatureName, FeatureValue]] = Field(
        min_length=1, description="app: {feature: true, false, number or word}"
    )
