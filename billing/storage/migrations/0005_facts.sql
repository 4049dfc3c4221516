-- Facts stand apart from the grants that are derived of them: what a subscription, payment or
-- order was when it was last read, with the number of that reading.

alter table subscriptions
    add column psp_customer_id text,
    add column psp_payment_id  text,       -- its latest payment
    add column pause           text,       -- null: it does not rest
    add column as_of           timestamptz, -- when the provider said so: a call's time, or an event's
    drop column raw,
    add column raw_enc         bytea;      -- the provider's own text, sealed; null: not read since
update subscriptions set as_of = observed_at;
alter table subscriptions alter column as_of set not null;
create index on subscriptions (psp, livemode, psp_customer_id);

alter table payments
    add column psp_intent_id text,          -- what a refund is asked of
    add column dispute       text not null default 'none'
        check (dispute in ('none', 'warned', 'open', 'lost', 'won')),
    add column taken_back_at timestamptz,   -- the money is gone as a whole since then
    add column lines         jsonb not null default '[]',
    add column paid_at       timestamptz,
    add column observed_seq  bigint not null default 0,
    add column observed_at   timestamptz;
update payments set observed_at = created_at;
alter table payments alter column observed_at set not null;
update payments set dispute = 'open', taken_back_at = created_at where disputed;
alter table payments drop column disputed;
update payments set status = case status
    when 'paid' then 'paid' when 'no_payment_required' then 'paid'
    when 'void' then 'void' when 'uncollectible' then 'uncollectible' else 'open' end;
update payments set paid_at = created_at where status = 'paid';
alter table payments add check
    (status in ('open', 'settling', 'paid', 'failed', 'void', 'uncollectible'));
create index on payments (subscription_id);
create index on payments (psp, livemode, psp_intent_id);

-- What a hosted checkout came to; an order's grants follow from it.
alter table checkout_intents
    add column psp_payment_id text,         -- of an order; null: none was needed
    add column completed_at   timestamptz,
    add column observed_seq   bigint not null default 0,
    add column observed_at    timestamptz;  -- null: never read again
update checkout_intents set completed_at = created_at where state = 'completed';
create index on checkout_intents (client_id);
create index on checkout_intents (psp, livemode, psp_payment_id);

-- A deleted customer still names the client of what it paid for; nobody pays as it any more.
alter table psp_customers add column unlinked_at timestamptz;

alter table grants add column quantity integer not null default 1;
