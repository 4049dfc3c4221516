-- Whom a kept answer is about: with the client, what it tells of the client is erased.

alter table idempotent_requests add column client_id uuid;
create index on idempotent_requests (client_id);
