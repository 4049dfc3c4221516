-- Requests with an Idempotency-Key, for a day: what was answered is answered again.
-- The answers hold personal data and addresses of open checkouts, and are sealed.

create table idempotent_requests (
    id          uuid        not null unique default gen_random_uuid(),
    caller      text        not null,    -- the actor, so that two callers' keys never meet
    key         text        not null check (length(key) between 1 and 200),
    fingerprint bytea       not null,    -- SHA-256 of method, path and body
    answer_enc  bytea,                   -- null: under way
    claimed_at  timestamptz not null,
    primary key (caller, key)
);
create index on idempotent_requests (claimed_at);
