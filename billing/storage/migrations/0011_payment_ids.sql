-- Under which other ids events spoke of the payment: those of its charges, refunds and disputes, which
-- stand nowhere else. What events said is erased with the client, whatever id they named.
alter table payments add column other_ids text[] not null default '{}';
