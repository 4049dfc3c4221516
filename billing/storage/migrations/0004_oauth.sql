-- Who may call the API: credentials of programs, and the keys that sign their tokens.

create table credentials (
    id          uuid primary key default gen_random_uuid(),
    name        text not null unique check (length(name) between 1 and 100),
    role        text not null check (role in ('admin', 'app')),
    app_id      text,
    scopes      text[] not null check (cardinality(scopes) > 0),
    created_at  timestamptz not null,
    disabled_at timestamptz,
    check ((role = 'app') = (app_id is not null))
);

-- While a secret is being changed two of them are good.
create table credential_secrets (
    id            bigint generated always as identity primary key,
    credential_id uuid  not null references credentials,
    secret_hash   bytea not null unique,   -- SHA-256 of a secret of 256 random bits
    created_at    timestamptz not null,
    ends_at       timestamptz              -- null: until the next one takes its place
);
create index on credential_secrets (credential_id);

-- Public halves are made from the private ones, so that nobody can plant a key of his own here.
create table signing_keys (
    kid            text primary key,       -- the JWK thumbprint (RFC 7638)
    private_sealed bytea,                  -- null: erased, since it neither signs nor verifies
    created_at     timestamptz not null,   -- from here on it is published
    signs_from_at  timestamptz not null
);
