-- Which transaction wrote the version last. Who has not heard the notices for a while asks for what
-- was written since a transaction that it knows of; rows from before this column changed long ago.
alter table entitlement_versions add column changed_in xid8 not null default '0';
create index on entitlement_versions (changed_in);
