-- Claims, twins and retention of the inbox, and what the reconciler keeps.

alter table psp_inbox
    -- Whose lease `next_attempt_at` ends; one claim takes all due events of an object.
    add column claim    uuid,
    -- Tries that an outage ended. They say nothing of the event, and never make it dead.
    add column outages  integer not null default 0,
    -- Where a provider sends an event in two forms: the id of the other form.
    add column twin     text,
    -- The other form came first; this one is kept, and not applied.
    add column is_twin  boolean not null default false,
    -- 'list': never delivered, found in the provider's own list of events.
    add column found_by text not null default 'webhook' check (found_by in ('webhook', 'list'));

create unique index psp_inbox_one_of_twins on psp_inbox (psp, coalesce(twin, external_id))
    where not is_twin;
create index psp_inbox_open on psp_inbox (psp, object_ref) where state in ('received', 'failed');
create index psp_inbox_claims on psp_inbox (claim) where claim is not null;
create index psp_inbox_dead on psp_inbox (id) where state = 'dead';
create index psp_inbox_settled on psp_inbox (processed_at) where state in ('done', 'ignored');
create index psp_inbox_objects on psp_inbox (object_ref, received_at);

-- Audit outlives the inbox, whose settled rows go after a month; the number stays.
alter table audit drop constraint if exists audit_cause_inbox_id_fkey;

-- When the reconciler last read the object at its provider; null is never.
alter table subscriptions    add column checked_at timestamptz;
alter table payments         add column checked_at timestamptz;
alter table checkout_intents add column checked_at timestamptz;
alter table psp_customers    add column checked_at timestamptz;
create index on subscriptions    (checked_at nulls first);
create index on payments         (checked_at nulls first);
create index on psp_customers    (checked_at nulls first);

-- What was found to differ from its provider without an event that would have told. Stays empty.
create table drift (
    id         bigint generated always as identity primary key,
    at         timestamptz not null,
    psp        text not null,
    object_ref text not null,
    client_id  uuid,
    field      text not null,
    before     text,
    after      text,
    found_by   text not null
);
create index on drift (at);

-- How far a provider's list of events was read, and which process reads just now.
create table reconcilers (
    psp          text    not null,
    livemode     boolean not null,
    cursor       text,
    lease        uuid,
    leased_until timestamptz not null,
    primary key (psp, livemode)
);

-- What the reconciler selects by.
create index on grants (until_at) where source = 'item' and revoked_at is null;
create index on subscription_items (psp_item_id);
create index on subscriptions (psp, livemode) where not verified;
create index on checkout_intents (created_at) where state = 'open';
