"""What the files of certificates have to be: readable, and belonging together."""

import ssl
from collections.abc import Iterator

from gateway.config.app_schema import AppConfig
from gateway.config.schema import ListenConfig, PublicConfig
from gateway.config.source import KeyPath
from proxy.certificates import CertificateError, load_context
from proxy.settings import UpstreamTLS
from proxy.upstreams.address import client_context

_Found = Iterator[tuple[KeyPath, str]]
_AT: KeyPath = ("listen", "tls")


def check_listen_tls(listen: ListenConfig, public: PublicConfig | None) -> _Found:
    """Yield what is wrong with TLS of our own, each with its place."""
    certificate, key = listen.tls.certificate, listen.tls.key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        has, needs = ("key", "certificate") if certificate is None else ("certificate", "key")
        yield (*_AT, has), f"{has} needs {needs} beside it"
        return
    if public is not None and public.scheme != "https":
        yield ("public", "scheme"), "visitors come over TLS (listen.tls), so this has to be https"
    try:
        load_context(certificate, key)
    except CertificateError as error:
        yield (*_AT, "certificate" if error.path == certificate else "key"), str(error)


def check_upstream_tls(app: AppConfig, at: KeyPath) -> _Found:
    """Yield what is wrong with how an app's servers are known; `at` is the place of `tls`."""
    if not any(url.startswith("https://") for url in app.upstreams):
        for key, value in (("ca_file", app.tls.ca_file), ("server_name", app.tls.server_name)):
            if value is not None:
                yield (*at, key), f"{app.id} has no https server that this could be for"
        return
    if app.tls.ca_file is None:
        return
    try:
        client_context(UpstreamTLS(app.tls.ca_file))
    except ssl.SSLError:
        yield (*at, "ca_file"), f"{app.tls.ca_file}: there is no certificate in it (PEM)"
    except OSError as error:
        yield (*at, "ca_file"), f"{app.tls.ca_file}: cannot be read: {error.strerror}"
