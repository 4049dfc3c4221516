"""TLS with visitors: the certificate, and its renewal without a restart."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

_log = structlog.get_logger("proxy")

# Renewals come weeks before the old certificate ends; looking costs two system calls.
_WATCH_S: Final = 5.0
# The largest chain is a few kilobytes; a larger file was named by mistake.
_FILE_LIMIT_BYTES: Final = 1024 * 1024


class CertificateError(Exception):
    """The files cannot be used; `path` is the one to look at, the message tells why."""

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path}: {why}")


class VisitorTLS(ssl.SSLObject):
    """A visitor's TLS. `server_name` is the host that he asked for (SNI), or None."""

    server_name: str | None = None


class Certificates:
    """What visitors are shown; `context` is for the next handshake."""

    def __init__(self, certificate: str, key: str) -> None:
        """Read the files.

        Raises:
            CertificateError: they cannot be used.
        """
        self._certificate = certificate
        self._key = key
        self._task: asyncio.Task[None] | None = None
        self._seen = self._look()
        self.context = load_context(certificate, key)

    def reload(self) -> bool:
        """Read the files anew; tell whether they can be used. If not, the old ones stay."""
        # Before reading: what is half written now will have changed at the next look.
        self._seen = self._look()
        try:
            self.context = load_context(self._certificate, self._key)
        except CertificateError as error:
            _log.error("certificate_kept", path=error.path, why=error.why)
            return False
        _log.info("certificate_loaded", path=self._certificate)
        return True

    def start(self, every_s: float = _WATCH_S) -> None:
        """Look every so many seconds whether a file has changed, and reload then."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._watch(every_s), name="certificates"
            )

    def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    async def _watch(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            if self._look() != self._seen:
                self.reload()

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_state_of(Path(path)) for path in (self._certificate, self._key))


def load_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what TLS with visitors begins with.

    Raises:
        CertificateError: a file cannot be read, or the two do not belong together.
    """
    if b"-----BEGIN CERTIFICATE-----" not in _read(certificate):
        raise CertificateError(certificate, "there is no certificate in it (PEM)")
    if b"PRIVATE KEY-----" not in (text := _read(key)):
        raise CertificateError(key, "there is no private key in it (PEM)")
    if b"ENCRYPTED" in text:
        # OpenSSL would ask for the passphrase on the terminal, and wait.
        raise CertificateError(key, "the private key is encrypted, and nobody is there to decrypt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    # Without it some clients would try HTTP/2, which is not spoken here.
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = VisitorTLS
    context.sni_callback = _note_name
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(key, f"the key is not that of {certificate}") from error
        raise CertificateError(certificate, f"it cannot be used: {error.reason}") from error
    except OSError as error:
        raise CertificateError(certificate, f"cannot be read: {error.strerror}") from error
    return context


def asked_name(transport: asyncio.BaseTransport) -> str | None:
    """Return the host that the visitor's TLS asked for; None if it named none, or is none."""
    tls = transport.get_extra_info("ssl_object")
    return tls.server_name if isinstance(tls, VisitorTLS) else None


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_FILE_LIMIT_BYTES)
    except OSError as error:
        raise CertificateError(path, f"cannot be read: {error.strerror}") from error


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced; None if it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _note_name(
    tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext
) -> None:
    if isinstance(tls, VisitorTLS) and name is not None:
        tls.server_name = name.lower().removesuffix(".")
