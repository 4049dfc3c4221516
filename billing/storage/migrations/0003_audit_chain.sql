-- Every row of the audit becomes a link of a hash chain (docs/audit.md), and only ever one more.

alter table audit
    add column cause_request_id text,   -- of the call over the API that led to it
    add column chain     smallint,      -- null: written before there were chains, see audit.epoch
    add column position  bigint,        -- in its chain, from 1, without gaps
    add column key_id    text,          -- of encryption.keys
    add column prev_hash bytea,
    add column hash      bytea,
    alter column at drop default,
    -- The audit outlives the event that led to it.
    drop constraint audit_cause_inbox_id_fkey;
-- Not valid: rows of before stay as they are.
alter table audit add constraint audit_is_chained check (
    chain is not null and chain between 0 and 16
    and position is not null and position > 0
    and key_id is not null
    and prev_hash is not null and octet_length(prev_hash) = 32
    and hash is not null and octet_length(hash) = 32
) not valid;
create unique index on audit (chain, position);

-- The last row of each chain; its lock is the right to write the next.
create table audit_heads (
    chain    smallint primary key,
    position bigint not null,
    hash     bytea  not null
);
insert into audit_heads select n, 0, decode(repeat('00', 32), 'hex') from generate_series(0, 16) n;

create function audit_head_moves_forward() returns trigger language plpgsql as $$
begin
    if new.chain <> old.chain or new.position <> old.position + 1 or not exists (
        select from audit a
        where a.chain = new.chain and a.position = new.position
            and a.hash = new.hash and a.prev_hash = old.hash
    ) then
        raise exception 'a head of the audit only moves to the next row of its chain';
    end if;
    return new;
end $$;
create trigger audit_head_moves_forward before update on audit_heads
    for each row execute function audit_head_moves_forward();
create trigger audit_heads_stay before insert or delete or truncate on audit_heads
    for each statement execute function audit_is_append_only();

-- The triggers hold against mistakes, these against whoever has the gateway's own password.
revoke update, delete, truncate on audit from public, current_user;
revoke insert, delete, truncate on audit_heads from public, current_user;
