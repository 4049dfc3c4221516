"""From a path to a configuration, or to every fault in it."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from gateway.config.checks import check
from gateway.config.faults import ConfigFaults
from gateway.config.parts import parts_of
from gateway.config.reflect import open_keys
from gateway.config.schema import Config
from gateway.config.secrecy import Secrecy
from gateway.config.source import Document, read_document
from gateway.config.translate import faults_of


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read, interpolate and check the file.

    Raises:
        ConfigFaults: the file cannot be used; all of its faults at once.
    """
    document = read_document(path, environment, open_keys())
    if document.data is None:
        raise ConfigFaults(path, document.lines, document.faults, document.hidden)
    secrecy = Secrecy(document)
    config = _validate(document)
    document.faults += [*secrecy.faults(), *check(parts_of(document.data), document)]
    if document.faults or config is None:
        faults = [secrecy.without_secrets(fault) for fault in document.faults]
        raise ConfigFaults(path, document.lines, faults, document.hidden)
    return config


def _validate(document: Document) -> Config | None:
    """Return the configuration, or None and add why not to the document's faults."""
    try:
        return Config.model_validate(document.data)
    except ValidationError as error:
        document.faults += faults_of(error, document)
        return None
