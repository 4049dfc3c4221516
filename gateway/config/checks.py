"""What has to fit together across sections; run on a file that fits the schema."""

from collections.abc import Hashable, Iterable, Iterator

from gateway.config.faults import Fault, did_you_mean
from gateway.config.schema import AppConfig, Config
from gateway.config.source import Document, Path_
from proxy.canonical import Rejected, parse_path
from proxy.settings import RESERVED_PREFIX

_SIGNING_KEY_CHARS = 32
# Hosts that a browser treats as trustworthy without https, and that never leave the machine.
_LOCAL = ("localhost", "127.0.0.1")


def check(config: Config, document: Document) -> Iterator[Fault]:
    """Yield every contradiction, each at the value that has to change."""
    for part in (_unique, _hosts, _secrets, _plans, _routes, _features, _issuers):
        for path, message in part(config):
            at_key = bool(path) and path[-1] == _KEY
            spot = document.find_key(path[:-1]) if at_key else document.find_spot(path)
            yield Fault(spot, message)


_Found = Iterator[tuple[Path_, str]]
_KEY = "[key]"  # Ends a path that means the key and not its value.


def _unique(config: Config) -> _Found:
    apps, plans = list(enumerate(config.apps)), list(enumerate(config.plans))
    yield from _twice((("apps", i, "id"), app.id, "the app") for i, app in apps)
    yield from _twice((("apps", i, "host"), app.host, "the host") for i, app in apps)
    yield from _twice((("plans", i, "id"), plan.id, "the plan") for i, plan in plans)
    yield from _twice(
        (("plans", i, "stripe_price"), plan.stripe_price, "the price") for i, plan in plans
    )
    issuers = enumerate(config.identity.tokens)
    yield from _twice(
        (("identity", "tokens", i, "issuer"), token.issuer, "the issuer") for i, token in issuers
    )


def _twice(entries: Iterable[tuple[Path_, Hashable, str]]) -> _Found:
    seen: set[Hashable] = set()
    for path, value, what in entries:
        if value in seen:
            yield path, f"{what} {value!r} is there already"
        seen.add(value)


def _hosts(config: Config) -> _Found:
    for index, app in enumerate(config.apps):
        if app.host == config.public.host:
            yield ("apps", index, "host"), f"{app.host!r} is public.host, the gateway's own"
        for place, origin in enumerate(app.upstreams):
            if _is_ourselves(origin, config):
                yield ("apps", index, "upstreams", place), "this is the gateway itself"
    if config.public.scheme == "https":
        return
    hosts: list[tuple[Path_, str]] = [(("public", "host"), config.public.host)]
    hosts += [(("apps", i, "host"), app.host) for i, app in enumerate(config.apps)]
    for path, host in hosts:
        if host not in _LOCAL and not host.endswith(".localhost"):
            yield (
                path,
                f"cookies for {host!r} would cross the net in clear: set public.scheme to https",
            )


def _is_ourselves(origin: str, config: Config) -> bool:
    rest = origin.partition("://")[2]
    host, _, port = rest.rpartition(":")
    return port == str(config.listen.port) and host.strip("[]") in {"localhost", "127.0.0.1", "::1"}


def _secrets(config: Config) -> _Found:
    length = len(config.secrets.signing_key.get_secret_value())
    if length < _SIGNING_KEY_CHARS:
        yield (
            ("secrets", "signing_key"),
            f"has {length} characters, and needs {_SIGNING_KEY_CHARS} (openssl rand -hex 32)",
        )
    for index, token in enumerate(config.identity.tokens):
        if token.algorithm == "HS256" and len(token.key.get_secret_value()) < _SIGNING_KEY_CHARS:
            yield (
                ("identity", "tokens", index, "key"),
                f"a key for HS256 needs at least {_SIGNING_KEY_CHARS} characters (RFC 7518, 3.2)",
            )


def _issuers(config: Config) -> _Found:
    """Two issuers may each know somebody as `ann`; who is meant could not be told."""
    for index in range(1, len(config.identity.tokens)):
        yield ("identity", "tokens", index), "one issuer of tokens is supported, so far"


def _plans(config: Config) -> _Found:
    known = {app.id for app in config.apps}
    for index, plan in enumerate(config.plans):
        for app_id in plan.apps:
            if app_id not in known:
                yield (
                    ("plans", index, "apps", app_id, _KEY),
                    f"no app has the id {app_id!r}{did_you_mean(app_id, known)}",
                )
        if plan.price.interval == "once" and plan.grace_days is not None:
            yield ("plans", index, "grace_days"), "a plan that is paid once has nothing to renew"


def _routes(config: Config) -> _Found:
    for index, app in enumerate(config.apps):
        yield from _routes_of(app, ("apps", index, "routes"))


def _routes_of(app: AppConfig, at: Path_) -> _Found:
    if not any(route.path == "/" for route in app.routes):
        yield at, f"{app.id} needs a route for '/': what no route covers is 404"
    seen: set[tuple[str, str | None]] = set()
    for index, route in enumerate(app.routes):
        path = (*at, index, "path")
        canonical = parse_path(route.path)
        if isinstance(canonical, Rejected):
            yield path, f"{route.path!r} is no path that a request can have: {canonical.why}"
        elif canonical != route.path:
            yield path, f"write it as requests are matched: {canonical!r}"
        elif "%" in route.path:
            yield path, "write the characters themselves, without escapes"
        elif f"{route.path}/".startswith(RESERVED_PREFIX):
            yield path, f"paths under {RESERVED_PREFIX} are the gateway's own"
        for method in route.methods or (None,):
            if (route.path, method) in seen:
                yield path, f"a route for {route.path!r} is there already"
            seen.add((route.path, method))


def _features(config: Config) -> _Found:
    """A door that no plan opens could not be paid for."""
    for index, app in enumerate(config.apps):
        for place, route in enumerate(app.routes):
            if route.access != "entitled":
                continue
            sold = {
                feature
                for plan in config.plans
                for feature, value in plan.apps.get(app.id, {}).items()
                if value is not False
            }
            if route.feature not in sold:
                at: Path_ = ("apps", index, "routes", place, "feature")
                hint = did_you_mean(route.feature, sold)
                yield at, f"no plan gives the feature {route.feature!r} of {app.id}{hint}"
