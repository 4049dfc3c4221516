-- What clients, apps and operators may do with money and access.

alter table plans
    add column trial_days   integer not null default 0 check (trial_days >= 0),
    add column max_quantity integer not null default 1 check (max_quantity > 0);

-- What the provider was asked with the intent's key: a repeat has to say the same.
alter table checkout_intents
    add column quantity        integer not null default 1 check (quantity > 0),
    add column trial_days      integer not null default 0 check (trial_days >= 0),
    add column psp_customer_id text,
    add column psp_sub_id      text;         -- what it came to, where that is a subscription
create index on checkout_intents (psp, livemode, psp_sub_id);
create index on checkout_intents (created_at, id);
create index on payments (created_at, id);

-- Which checkout a caller's own key led to.
create table checkout_keys (
    client_id  uuid    not null references clients,
    key        text    not null check (length(key) between 1 and 255),
    plan       text    not null,
    quantity   integer not null,
    intent_id  uuid    not null references checkout_intents,
    created_at timestamptz not null,
    primary key (client_id, key)
);

-- What a provider is asked, committed before it is asked. The key is the provider's
-- idempotency key, so that a crash in between is mended by asking again.
create table provider_commands (
    id         uuid    not null unique default gen_random_uuid(),
    key        text    primary key,
    psp        text    not null,
    livemode   boolean not null,
    client_id  uuid    not null references clients,
    kind       text    not null
        check (kind in ('change', 'cancel_at_period_end', 'cancel_now', 'resume', 'refund')),
    subject    uuid    not null,             -- the subscription, or for a refund the payment
    wish       jsonb   not null,             -- what the caller said: the same key says the same
    params     jsonb   not null,             -- what the provider is asked
    state      text    not null default 'pending'
        check (state in ('pending', 'done', 'refused', 'unpaid', 'given_up')),
    result     text,                         -- a refund's id, or where an unpaid change is paid
    actor      text    not null,
    created_at timestamptz not null,
    done_at    timestamptz,
    last_error text
);
create index on provider_commands (created_at) where state = 'pending';
create index on provider_commands (subject);
create index on provider_commands (client_id);
