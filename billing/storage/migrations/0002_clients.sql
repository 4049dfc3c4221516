-- Who a client is, sealed with encryption.keys (docs/personal-data.md); null: not known, or erased.

alter table clients
    add column name_enc    bytea,
    add column email_enc   bytea,
    add column email_index bytea,       -- keyed hash of the address, which is found by it alone
    add column app_id      text,        -- where the client signed up; null: not at an app
    add column closed_at   timestamptz,
    add column erased_at   timestamptz; -- closed as well, and nothing personal is left
update clients set closed_at = now() where status = 'closed';
alter table clients
    add check ((status = 'closed') = (closed_at is not null)),
    add check (erased_at is null or closed_at is not null and name_enc is null and email_enc is null),
    add check ((email_enc is null) = (email_index is null));
create index on clients (email_index);
create index on clients (created_at, id);
create index on clients (app_id, created_at, id);
create index on sessions (client_id);
