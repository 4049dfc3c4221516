-- The facts, grants and inbox of Tollway. Names are explained in docs/architecture.md.
-- Stays within PostgreSQL 15: no uuidv7(), no virtual columns, no extension.

create table clients (
    id          uuid primary key default gen_random_uuid(),
    external_id text not null unique check (length(external_id) between 1 and 200),
    status      text not null default 'active' check (status in ('active', 'closed')),
    created_at  timestamptz not null default now()
);

-- A client may be known to a provider under several customers.
create table psp_customers (
    psp       text    not null,
    livemode  boolean not null,
    psp_id    text    not null,
    client_id uuid    not null references clients,
    primary key (psp, livemode, psp_id)
);
create index on psp_customers (client_id);

-- Plan versions are immutable, so that old subscribers keep what they bought.
create table plans (
    id           text    not null,
    version      integer not null check (version > 0),
    name         text    not null,
    description  text    not null,
    amount_minor bigint  not null check (amount_minor >= 0),
    currency     text    not null,
    interval     text    not null check (interval in ('month', 'year', 'once')),
    grace_days   integer not null check (grace_days >= 0),
    published_at timestamptz not null default now(),
    primary key (id, version)
);
create table plan_features (
    plan    text    not null,
    version integer not null,
    app_id  text    not null,
    feature text    not null,
    value   jsonb   not null,
    primary key (plan, version, app_id, feature),
    foreign key (plan, version) references plans (id, version)
);
create table price_map (
    psp          text    not null,
    livemode     boolean not null,
    psp_price_id text    not null,
    plan         text    not null,
    version      integer not null,
    primary key (psp, livemode, psp_price_id),
    foreign key (plan, version) references plans (id, version)
);

-- Taken while the lock of a subscription is held: a later observation has a higher number.
create sequence observations;

create table subscriptions (
    id             uuid primary key default gen_random_uuid(),
    client_id      uuid    not null references clients,
    psp            text    not null,
    livemode       boolean not null,
    psp_sub_id     text    not null,
    raw_status     text    not null,   -- the provider's own word
    status         text    not null,   -- ours, see policies/model.py
    started_at     timestamptz not null,
    trial_end      timestamptz,
    cancel_at      timestamptz,
    ended_at       timestamptz,        -- by the provider's clock
    closed_at      timestamptz,        -- by ours: when we first saw that it gives nothing
    past_due_since timestamptz,
    observed_seq   bigint  not null,
    observed_at    timestamptz not null,
    source         text    not null check (source in ('webhook', 'return', 'reconcile', 'admin')),
    verified       boolean not null default true,
    raw            jsonb   not null,
    unique (psp, livemode, psp_sub_id)
);
create index on subscriptions (client_id);

create table subscription_items (
    subscription_id uuid    not null references subscriptions,
    psp_item_id     text    not null,
    psp_price_id    text    not null,
    plan            text,               -- null: a price that no plan of ours has
    version         integer,
    quantity        integer not null,
    period_start    timestamptz not null,
    period_end      timestamptz not null,
    primary key (subscription_id, psp_item_id)
);

create table checkout_intents (
    id              uuid primary key default gen_random_uuid(),
    client_id       uuid not null references clients,
    plan            text not null,
    version         integer not null,
    psp             text not null,
    livemode        boolean not null,
    psp_session_id  text,
    url             text,
    idempotency_key text not null unique,
    state           text not null check (state in ('open', 'completed', 'expired', 'failed')),
    return_host     text not null,
    return_to       text not null,
    created_at      timestamptz not null,
    foreign key (plan, version) references plans (id, version)
);
-- One open checkout for a client and plan: a second click finds the first one's session.
create unique index on checkout_intents (client_id, plan, psp) where state = 'open';
create unique index on checkout_intents (psp, livemode, psp_session_id);

create table payments (
    id              uuid primary key default gen_random_uuid(),
    client_id       uuid not null references clients,
    subscription_id uuid references subscriptions,
    intent_id       uuid references checkout_intents,
    psp             text not null,
    livemode        boolean not null,
    psp_payment_id  text not null,
    kind            text not null check (kind in ('invoice', 'order')),
    amount_minor    bigint not null,
    currency        text not null,
    status          text not null,
    refunded_minor  bigint not null default 0,
    disputed        boolean not null default false,
    created_at      timestamptz not null,
    unique (psp, livemode, psp_payment_id)
);
create index on payments (client_id);

create table psp_inbox (
    id              bigint generated always as identity primary key,
    psp             text not null,
    external_id     text not null,
    type            text not null,
    object_ref      text,               -- 'subscription:sub_…', 'checkout:cs_…' or null
    livemode        boolean not null,
    api_version     text,
    occurred_at     timestamptz not null,
    received_at     timestamptz not null,
    body            bytea not null,
    headers         jsonb not null,
    state           text not null default 'received'
        check (state in ('received', 'done', 'ignored', 'failed', 'dead')),
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null,
    last_error      text,
    processed_at    timestamptz,
    unique (psp, external_id)
);
create index on psp_inbox (next_attempt_at) where state in ('received', 'failed');

-- Never deleted, only ended: half-open [from_at, until_at), null = for ever.
create table grants (
    id         uuid primary key default gen_random_uuid(),
    client_id  uuid not null references clients,
    app_id     text not null,
    feature    text not null,
    value      jsonb not null,
    source     text not null check (source in ('item', 'order', 'manual', 'trial')),
    source_id  text not null,
    plan       text,
    version    integer,
    status     text,                    -- of the subscription, told to apps
    from_at    timestamptz not null,
    until_at   timestamptz,
    revoked_at timestamptz,
    reason     text not null default '',
    actor      text not null,
    unique (source, source_id, app_id, feature)
);
create index on grants (client_id);

create table blocks (
    id       uuid primary key default gen_random_uuid(),
    client_id uuid not null references clients,
    app_id   text,                      -- null: every app
    service  text not null check (service in ('fraud', 'dispute', 'admin', 'dunning')),
    from_at  timestamptz not null,
    until_at timestamptz,
    reason   text not null,
    actor    text not null
);
create index on blocks (client_id);

create table entitlement_versions (
    client_id uuid primary key references clients,
    version   bigint not null
);

create table audit (
    seq            bigint generated always as identity primary key,
    at             timestamptz not null default now(),
    actor          text not null,
    action         text not null,
    client_id      uuid,
    before         jsonb,
    after          jsonb,
    cause_inbox_id bigint references psp_inbox
);
create index on audit (client_id);
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit is append-only';
end $$;
create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function audit_is_append_only();

-- A sign-in at the gateway's own host, and one row for each app host it was carried to.
create table sessions (
    token_hash bytea primary key,       -- SHA-256 of the cookie's 32 random bytes
    client_id  uuid not null references clients,
    host       text not null,           -- the cookie is good on this host alone
    parent     bytea references sessions on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index on sessions (parent);
create index on sessions (expires_at);

-- Carries a sign-in from the gateway's host to an app's, once.
create table session_tickets (
    ticket_hash bytea primary key,
    parent      bytea not null references sessions on delete cascade,
    host        text not null,
    target      text not null,
    browser     text  not null,         -- fingerprint of the one browser that may use it
    expires_at  timestamptz not null
);
create index on session_tickets (expires_at);
