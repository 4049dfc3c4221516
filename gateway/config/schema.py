"""Every key of the configuration file: its meaning, unit, range and default.

`docs/configuration.md` tells the same to its readers; a test compares the two.
"""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from gateway.config.app_schema import BODY_LIMIT_BYTES, AppConfig
from gateway.config.billing_schema import BillingConfig, PlanConfig
from gateway.config.section import Section
from gateway.config.values import (
    Address,
    DatabaseURL,
    Host,
    MaybeClaim,
    MaybeFile,
    MaybeOrigin,
    MaybeWhole,
    Network,
    RedisURL,
    Seconds,
    Secret,
    ShortSeconds,
    Text,
    Whole,
    Word,
)


class ListenTLSConfig(Section):
    """TLS of our own; without both files it is plain HTTP."""

    certificate: MaybeFile = Field(
        None, description="PEM file of the certificate and those between it and the authority"
    )
    key: MaybeFile = Field(None, description="PEM file of its private key, not encrypted")


class ListenConfig(Section):
    """Where visitors' connections come in."""

    address: Address = Field(
        "localhost",
        description="localhost, which is 127.0.0.1 and ::1, or an address: 0.0.0.0 is every one",
    )
    port: Whole = Field(8080, ge=0, le=65_535, description="TCP port; 0 takes a free one")
    tls: ListenTLSConfig = Field(ListenTLSConfig(), description="TLS of our own, if any")


class PublicConfig(Section):
    """How visitors reach the gateway."""

    scheme: Annotated[Literal["http", "https"], Word] = Field(
        "http", description="http on this machine only, otherwise https"
    )
    host: Host = Field("checkout.localhost", description="host of the gateway's own pages")
    port: MaybeWhole = Field(
        None, ge=1, le=65_535, description="port that visitors see; null is listen.port"
    )


class DatabaseConfig(Section):
    """PostgreSQL, from version 15: the truth."""

    url: DatabaseURL = Field(description="postgresql://user:password@host/database")
    pool_size: Whole = Field(10, ge=2, le=500, description="connections at most")


class RedisConfig(Section):
    """Valkey or Redis: a cache that processes share."""

    url: RedisURL = Field(
        SecretStr("none"), description="URL of one server, of Sentinels or of a cluster, or none"
    )
    timeout_s: ShortSeconds = Field(0.5, description="seconds for one call; a failure is a miss")


class SecretsConfig(Section):
    """Keys of the gateway itself."""

    signing_key: Secret = Field(
        description="at least 32 characters; signs return targets, forms, caches"
    )


class EncryptionConfig(Section):
    """Keys of the personal data and of the audit in the database."""

    keys: tuple[Secret, ...] = Field(
        min_length=1, description="id:base64 of 32 bytes; the first seals, all open"
    )


class TokenConfig(Section):
    """An issuer whose bearer tokens are taken."""

    issuer: Text = Field(description="the `iss` of its tokens")
    audience: Text = Field("tollway", description="the `aud` that its tokens name")
    algorithm: Annotated[Literal["HS256", "RS256", "ES256", "EdDSA"], Word] = Field(
        "HS256", description="the one algorithm that is taken"
    )
    key: Secret = Field(description="the shared secret (HS256), or the public key in PEM")
    role_claim: MaybeClaim = Field(
        None,
        description="the claim with an API caller's role: admin, app or client; null is client",
    )
    app_claim: MaybeClaim = Field(
        None, description="the claim with the app of the role app; null is no such role"
    )


class IdentityConfig(Section):
    """Who clients are."""

    session_ttl_s: Whole = Field(
        1_209_600, ge=60, le=31_536_000, description="seconds that a sign-in lasts"
    )
    tokens: tuple[TokenConfig, ...] = Field((), description="issuers of bearer tokens")


class OAuthConfig(Section):
    """Tokens that the gateway gives to programs, for its own API."""

    issuer: MaybeOrigin = Field(
        None, description="the `iss` and `aud` of its tokens; null is the public URL"
    )
    token_ttl_s: Whole = Field(
        900, ge=60, le=86_400, description="seconds that a token is good for"
    )
    key_days: Whole = Field(90, ge=1, le=3650, description="days until a new signing key is made")
    publish_delay_s: Whole = Field(
        600,
        ge=360,
        le=86_400,
        description="seconds that a new key is published before it signs",
    )


class LastKnownConfig(Section):
    """A signed file of what is known of clients, for a start while Postgres is down."""

    folder: MaybeFile = Field(
        None, description="folder of this gateway alone; null is its run folder"
    )
    every_s: Seconds = Field(60.0, description="seconds between two writings")
    lease_s: Whole = Field(
        86_400,
        ge=0,
        le=604_800,
        description="seconds that what was written is good for; 0 writes nothing",
    )


class EntitlementsConfig(Section):
    """Caches of what clients hold."""

    memory_clients: Whole = Field(
        100_000, ge=1, le=50_000_000, description="clients kept in memory at most"
    )
    memory_ttl_s: Seconds = Field(300.0, description="seconds before memory is read anew, unasked")
    negative_ttl_s: ShortSeconds = Field(
        2.0, description="seconds that a refusal rests on one look"
    )
    redis_ttl_s: Seconds = Field(3600.0, description="seconds that Valkey keeps a snapshot")
    lookup_timeout_s: ShortSeconds = Field(2.0, description="seconds for one look-up, all stores")
    last_known: LastKnownConfig = Field(
        LastKnownConfig(), description="what is kept for a start while Postgres is down"
    )


class ProxyConfig(Section):
    """The way to the apps."""

    connect_timeout_s: ShortSeconds = Field(5.0, description="seconds to connect to an app")
    first_byte_timeout_s: Seconds = Field(60.0, description="seconds until an app answers")
    idle_timeout_s: Seconds = Field(300.0, description="seconds of silence within an answer")
    header_limit_bytes: Whole = Field(
        16_384, ge=1024, le=1_048_576, description="bytes of one header line at most"
    )
    header_count_limit: Whole = Field(
        100, ge=10, le=1000, description="header fields of a request at most"
    )
    url_limit_bytes: Whole = Field(
        8_192, ge=256, le=65_536, description="bytes of path and query at most"
    )
    body_limit_bytes: MaybeWhole = Field(
        None, ge=0, le=BODY_LIMIT_BYTES, description="bytes of an upload at most; null is no limit"
    )
    connections_per_address: Whole = Field(
        0, ge=0, le=1_000_000, description="connections from one address at most; 0 is no limit"
    )
    head_timeout_s: Seconds = Field(15.0, description="seconds for the head of a request")
    body_timeout_s: Seconds = Field(60.0, description="seconds of silence within an upload")
    write_timeout_s: Seconds = Field(60.0, description="seconds that a visitor may take nothing in")
    keepalive_timeout_s: Seconds = Field(75.0, description="seconds between two requests")
    trusted_proxies: tuple[Network, ...] = Field(
        (), description="addresses whose X-Forwarded-For is believed; none by default"
    )
    drain_s: Seconds = Field(10.0, description="seconds that open requests get at a stop")
    upstream_connections: Whole = Field(
        256,
        ge=1,
        le=65_536,
        description="connections to one app at most, besides those of open WebSockets",
    )
    upstream_idle_s: Seconds = Field(30.0, description="seconds that an unused one is kept")


class Config(Section):
    """The whole file."""

    listen: ListenConfig = Field(ListenConfig(), description="where connections come in")
    public: PublicConfig = Field(PublicConfig(), description="how visitors reach the gateway")
    database: DatabaseConfig = Field(description="PostgreSQL")
    redis: RedisConfig = Field(RedisConfig(), description="Valkey or Redis")
    secrets: SecretsConfig = Field(description="keys of the gateway itself")
    encryption: EncryptionConfig = Field(
        description="keys of the personal data and of the audit; `tollway keys new` makes one"
    )
    identity: IdentityConfig = Field(IdentityConfig(), description="who clients are")
    oauth: OAuthConfig = Field(OAuthConfig(), description="tokens for programs")
    billing: BillingConfig = Field(description="payments and subscriptions")
    entitlements: EntitlementsConfig = Field(EntitlementsConfig(), description="caches")
    proxy: ProxyConfig = Field(ProxyConfig(), description="the way to the apps")
    plans: tuple[PlanConfig, ...] = Field(description="what is for sale")
    apps: tuple[AppConfig, ...] = Field(min_length=1, description="what stands behind the gateway")
