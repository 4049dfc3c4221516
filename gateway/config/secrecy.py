"""Secrets that stand in the file in clear, and what no message may show.

A secret reaches the file in more ways than the right one: below a misspelt key, as the
value of a whole section, as a list where a word belongs. All of them are kept out of
what is printed, because that ends in terminals, logs and tickets.
"""

import re
from collections.abc import Iterator

from pydantic import BaseModel

from gateway.config.faults import Fault
from gateway.config.interpolate import InterpolationError, Reference, split
from gateway.config.reflect import holds_secret, is_secret, model_of
from gateway.config.schema import Config
from gateway.config.source import Document, KeyPath

_URL = re.compile(r"[a-z+]+://")
_PASSWORD = re.compile(r"[?&](ssl)?password=[^&]", re.IGNORECASE)
_DATABASE, _REDIS = ("database", "url"), ("redis", "url")
# A shorter one would blot out ordinary words, and is refused anyway or worth nothing.
_SHORTEST = 6


class Secrecy:
    """What the document holds that is secret; made before anything is told of it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._clear: list[tuple[KeyPath, str]] = []
        self._values: set[str] = set()
        self._walk(Config, document.data, ())

    def faults(self) -> Iterator[Fault]:
        """Yield a fault for each secret that the file itself holds, or has a default for."""
        for path, objection in self._clear:
            name = ".".join(part for part in path if isinstance(part, str))
            yield Fault(self._document.find_spot(path), f"{name} {objection}")

    def without_secrets(self, fault: Fault) -> Fault:
        """Return the fault with every value of a secret taken out of its message."""
        message = fault.message
        for value in sorted(self._values, key=len, reverse=True):
            message = message.replace(value, "…")
        return Fault(fault.spot, message)

    def _walk(self, annotation: object, data: object, path: KeyPath) -> None:
        model = model_of(annotation)
        if isinstance(data, list):
            for index, item in enumerate(data):
                self._walk(annotation, item, (*path, index))
        elif model is not None and isinstance(data, dict):
            self._walk_section(model, data, path)
        elif model is not None and holds_secret(model):
            self._document.hide(path)
        elif is_secret(annotation):
            self._look_at(path, data)
        elif isinstance(data, str) and _is_delicate(data):
            # No secret of ours, but a password in a URL that takes none, or a key in clear.
            self._document.hide(path)

    def _walk_section(self, model: type[BaseModel], data: dict[str, object], path: KeyPath) -> None:
        for key, value in data.items():
            field = model.model_fields.get(key)
            if field is None:
                self._document.hide((*path, key))
            else:
                self._walk(field.annotation, value, (*path, key))

    def _look_at(self, path: KeyPath, value: object) -> None:
        raw = self._document.raw.get(path)
        if raw is None:
            self._document.hide(path)
            return
        if isinstance(value, str) and len(value) >= _SHORTEST:
            self._values.add(value)
        if not raw:
            return
        objection = _objection(path, raw)
        if objection is not None:
            self._document.hide(path)
            self._clear.append((path, objection))


def _objection(path: KeyPath, raw: str) -> str | None:
    """Return what is wrong with how the secret is written, or None."""
    in_clear = "is a secret: write ${NAME}, and set NAME or NAME_FILE in the environment"
    try:
        parts = list(split(raw))
    except InterpolationError:
        return in_clear
    references = [part for part in parts if isinstance(part, Reference)]
    if path == _REDIS:
        # What the file itself tells: defaults count, references stand for nothing.
        told = "".join(part if isinstance(part, str) else part.default or "" for part in parts)
        if told in {"", "none"} or (_URL.match(told) and not _tells_password(told, user_too=True)):
            return None
        return in_clear
    if any(reference.default is not None for reference in references):
        return "is a secret, and a secret has no default: write ${NAME} alone"
    if path == _DATABASE:
        told = "".join(part for part in parts if isinstance(part, str))
        return None if references and not _tells_password(told, user_too=False) else in_clear
    return None if len(parts) == 1 and references else in_clear


def _is_delicate(text: str) -> bool:
    return "-----BEGIN " in text or ("://" in text and _tells_password(text, user_too=True))


def _tells_password(url: str, *, user_too: bool) -> bool:
    """Tell whether the URL has a password; `user_too` counts `password@host` as one."""
    before, _, _ = url.rpartition("@")
    name, _, password = before.rpartition("://")[2].partition(":")
    return bool(password or (user_too and name)) or _PASSWORD.search(url) is not None
