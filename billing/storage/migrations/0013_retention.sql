-- By what old rows are found that are deleted (billing/storage/retention.py).
create index on sessions (revoked_at) where revoked_at is not null;
create index on checkout_keys (created_at);
create index on provider_commands (done_at) where done_at is not null;
