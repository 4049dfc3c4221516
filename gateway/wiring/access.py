"""What gives tokens and reads them, joined: for the control application, and for operators."""

import time
from dataclasses import dataclass
from datetime import timedelta

from billing.oauth.endpoint import TokenEndpoint
from billing.oauth.guard import Guard
from billing.oauth.issuing import Issuer
from billing.oauth.signing import SigningKeys
from billing.oauth.standing import Standing
from billing.oauth.verify import ExternalIssuer, TokenReader
from billing.storage.pool import Database
from gateway.clock import wall
from gateway.config.schema import Config
from gateway.translate import public_origin


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call the API."""

    keys: SigningKeys
    endpoint: TokenEndpoint
    guard: Guard


def access_of(config: Config, database: Database) -> Access:
    """Join what the control application asks; tokens go by this machine's time in any case."""
    keys = signing_keys_of(config, database)
    reader = TokenReader(
        _name_of(config),
        keys,
        _others_of(config),
        database,
        Standing(database, time.monotonic),
        wall,
    )
    public_url = public_origin(config, config.public.host)
    issuer = issuer_of(config, keys, database)
    endpoint = TokenEndpoint(issuer, keys, public_url, time.monotonic)
    return Access(keys, endpoint, Guard(database, reader, wall, time.monotonic))


def signing_keys_of(config: Config, database: Database) -> SigningKeys:
    """Return the keys that sign our tokens."""
    return SigningKeys(
        database,
        database.ring,
        wall,
        time.monotonic,
        publish_delay=timedelta(seconds=config.oauth.publish_delay_s),
        key_age=timedelta(days=config.oauth.key_days),
    )


def issuer_of(config: Config, keys: SigningKeys, database: Database) -> Issuer:
    """Return what makes tokens in the gateway's name."""
    lives = timedelta(seconds=config.oauth.token_ttl_s)
    return Issuer(_name_of(config), keys, database, wall, lives=lives)


def _name_of(config: Config) -> str:
    return config.oauth.issuer or public_origin(config, config.public.host)


def _others_of(config: Config) -> tuple[ExternalIssuer, ...]:
    return tuple(
        ExternalIssuer(
            issuer=token.issuer,
            audience=token.audience,
            algorithm=token.algorithm,
            key=token.key.get_secret_value(),
            role_claim=token.role_claim,
            app_claim=token.app_claim,
        )
        for token in config.identity.tokens
    )
