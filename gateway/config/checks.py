"""What has to fit together across sections; run on every part that fits the schema."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from billing.crypto.keyring import KeyRing
from billing.errors import KeyRingError
from gateway.config.faults import Fault, did_you_mean
from gateway.config.parts import Parts
from gateway.config.routes import check_routes
from gateway.config.schema import ListenConfig, TokenConfig
from gateway.config.source import Document, KeyPath
from gateway.config.tls import check_listen_tls, check_upstream_tls

_SIGNING_KEY_CHARS = 32
# Hosts that a browser treats as trustworthy without https, and that never leave the machine.
_LOCAL = ("localhost", "127.0.0.1")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KEY = "[key]"  # Ends a path that means the key and not its value.

_IN_CLEAR = (
    "cookies for {!r} would cross the net in clear: end TLS in front of the gateway,"
    " or name a certificate in listen.tls, and set public.scheme to https"
)
_TOO_SHORT = "signing_key has {} characters and needs {}; openssl rand -hex 32 makes one"

_Found = Iterator[tuple[KeyPath, str]]


def check(parts: Parts, document: Document) -> Iterator[Fault]:
    """Yield every contradiction, each at the value that has to change."""
    for part in _PARTS:
        for path, message in part(parts, document):
            at_key = path[-1:] == (_KEY,)
            spot = document.find_key(path[:-1]) if at_key else document.find_spot(path)
            yield Fault(spot, message)


def _unique(parts: Parts, document: Document) -> _Found:
    apps, plans = parts.apps.items(), parts.plans.items()
    tables: tuple[tuple[str, Iterable[tuple[KeyPath, str]]], ...] = (
        ("the app", ((("apps", i, "id"), app.id) for i, app in apps)),
        ("the host", ((("apps", i, "host"), app.host) for i, app in apps)),
        ("the price", ((("plans", i, "stripe_price"), plan.stripe_price) for i, plan in plans)),
        ("the plan", ((("plans", i, "id"), plan.id) for i, plan in plans)),
    )
    for what, entries in tables:
        seen: dict[str, int] = {}
        for path, value in entries:
            if value in seen:
                more = "; one version of a plan is for sale" if what == "the plan" else ""
                yield path, f"{what} {value!r} is there already, in line {seen[value]}{more}"
            seen.setdefault(value, document.find_spot(path).line)


def _hosts(parts: Parts, _: Document) -> _Found:
    if parts.public is None:
        return
    public = parts.public
    for index, app in parts.apps.items():
        if app.host == public.host:
            yield ("apps", index, "host"), f"{app.host!r} is public.host, the gateway's own"
    if public.scheme == "https":
        return
    hosts: list[tuple[KeyPath, str]] = [(("public", "host"), public.host)]
    hosts += [(("apps", i, "host"), app.host) for i, app in parts.apps.items()]
    for path, host in hosts:
        if host not in _LOCAL and not host.endswith(".localhost"):
            yield path, _IN_CLEAR.format(host)


def _ourselves(parts: Parts, _: Document) -> _Found:
    """A request would come back to the gateway until every connection is taken."""
    if parts.listen is None:
        return
    own_hosts = {app.host for app in parts.apps.values()}
    if parts.public is not None:
        own_hosts.add(parts.public.host)
    for index, app in parts.apps.items():
        for place, origin in enumerate(app.upstreams):
            if origin.startswith("unix:"):
                continue
            url = urlsplit(origin)
            port = url.port or _DEFAULT_PORTS[url.scheme]
            host = url.hostname or ""
            if port == parts.listen.port and (host in own_hosts or _is_ours(host, parts.listen)):
                yield (
                    ("apps", index, "upstreams", place),
                    f"this is the gateway itself, which listens on port {port}",
                )


def _is_ours(host: str, listen: ListenConfig) -> bool:
    """Tell whether connections to the host reach the address that we listen on."""
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if listen.address == "localhost":
        return address.is_loopback
    own = ip_address(listen.address)
    # What listens on every address is reached on loopback; its others we do not know.
    return address == own or (own.is_unspecified and (address.is_loopback or _is_any(host)))


def _is_any(host: str) -> bool:
    return ip_address(host).is_unspecified


def _keys(parts: Parts, _: Document) -> _Found:
    if parts.secrets is not None:
        length = len(parts.secrets.signing_key.get_secret_value())
        if length < _SIGNING_KEY_CHARS:
            yield ("secrets", "signing_key"), _TOO_SHORT.format(length, _SIGNING_KEY_CHARS)
    for index, token in enumerate(parts.identity.tokens if parts.identity else ()):
        if objection := _objection_to_key(token):
            yield ("identity", "tokens", index, "key"), objection


def _encryption(parts: Parts, _: Document) -> _Found:
    if parts.encryption is None:
        return
    keys = [key.get_secret_value() for key in parts.encryption.keys]
    for index in range(len(keys)):
        try:
            KeyRing.of(keys[index : index + 1])
        except KeyRingError as error:
            yield ("encryption", "keys", index), str(error)
            return
    try:
        KeyRing.of(keys)
    except KeyRingError as error:
        yield ("encryption", "keys"), str(error)


def _objection_to_key(token: TokenConfig) -> str | None:
    key = token.key.get_secret_value().strip()
    is_pem = key.startswith("-----BEGIN ")
    if token.algorithm != "HS256":
        if not is_pem:
            return f"a key for {token.algorithm} is a public key in PEM: -----BEGIN PUBLIC KEY-----"
        # Whoever can read our environment could then make tokens.
        return "this is a private key; give the public one" if "PRIVATE KEY" in key else None
    if is_pem:
        # Anybody knows a public key, and could sign tokens with it (RFC 8725, section 2.1).
        return "a key for HS256 is a shared secret, and this is PEM; is algorithm right?"
    if len(token.key.get_secret_value()) < _SIGNING_KEY_CHARS:
        return f"a key for HS256 needs at least {_SIGNING_KEY_CHARS} characters (RFC 7518, 3.2)"
    return None


def _issuers(parts: Parts, _: Document) -> _Found:
    """Two issuers may each know somebody as `ann`; who is meant could not be told."""
    for index in range(1, len(parts.identity.tokens) if parts.identity else 0):
        yield ("identity", "tokens", index), "one issuer of tokens is supported, so far"
    for index, token in enumerate(parts.identity.tokens if parts.identity else ()):
        if parts.oauth is not None and token.issuer == parts.oauth.issuer:
            # Whoever holds its key could make tokens in our name.
            yield (
                ("identity", "tokens", index, "issuer"),
                "this is oauth.issuer, the gateway itself",
            )
        if token.app_claim is not None and token.role_claim is None:
            yield (
                ("identity", "tokens", index, "app_claim"),
                "without role_claim every token is a client's; name it, or leave app_claim out",
            )


def _stripe(parts: Parts, _: Document) -> _Found:
    if parts.billing is None:
        return
    stripe = parts.billing.stripe
    key = stripe.secret_key.get_secret_value()
    at: KeyPath = ("billing", "stripe")
    if key.startswith("pk_"):
        yield (*at, "secret_key"), "this is the publishable key; the secret one begins with sk_"
    elif stripe.livemode and "_test_" in key[:8]:
        yield (*at, "livemode"), "livemode is true, and secret_key is one for test mode"
    elif not stripe.livemode and "_live_" in key[:8]:
        yield (*at, "livemode"), "livemode is false, and secret_key takes real money"
    if stripe.livemode and not stripe.api_url.startswith("https://"):
        yield (*at, "api_url"), "with livemode true, it has to be https"


def _plans(parts: Parts, _: Document) -> _Found:
    for index, app_ids in parts.apps_of_plans.items():
        for app_id in app_ids:
            if parts.app_ids is not None and app_id not in parts.app_ids:
                yield (
                    ("plans", index, "apps", app_id, _KEY),
                    f"no app has the id {app_id!r}{did_you_mean(app_id, parts.app_ids)}",
                )
    for index, plan in parts.plans.items():
        if plan.price.interval != "once":
            continue
        if plan.grace_days is not None:
            yield (
                ("plans", index, "grace_days"),
                "a plan that is paid once has no renewal to wait for; leave it out, or null",
            )
        if plan.trial_days > 0:
            yield (
                ("plans", index, "trial_days"),
                "a plan that is paid once cannot be tried first; leave it out, or 0",
            )
        if plan.max_quantity > 1:
            yield (
                ("plans", index, "max_quantity"),
                "a plan that is paid once is bought one at a time; leave it out, or 1",
            )


def _routes(parts: Parts, _: Document) -> _Found:
    for index, app in parts.apps.items():
        yield from check_routes(app, ("apps", index, "routes"))


def _tls(parts: Parts, _: Document) -> _Found:
    if parts.listen is not None:
        yield from check_listen_tls(parts.listen, parts.public)
    for index, app in parts.apps.items():
        yield from check_upstream_tls(app, ("apps", index, "tls"))


def _sold(parts: Parts, _: Document) -> _Found:
    """A door that no plan opens could not be paid for."""
    if not parts.has_all_plans:
        return
    for index, app in parts.apps.items():
        sold = {
            feature
            for plan in parts.plans.values()
            for feature, value in plan.apps.get(app.id, {}).items()
            if value is not False
        }
        for place, route in enumerate(app.routes):
            if route.access == "entitled" and route.feature not in sold:
                at: KeyPath = ("apps", index, "routes", place, "feature")
                hint = did_you_mean(route.feature, sold)
                yield at, f"no plan gives the feature {route.feature!r} of {app.id}{hint}"


_PARTS = (
    _unique,
    _hosts,
    _ourselves,
    _keys,
    _encryption,
    _issuers,
    _stripe,
    _plans,
    _routes,
    _sold,
    _tls,
)
