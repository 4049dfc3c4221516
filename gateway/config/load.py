"""From a path to a configuration, or to every fault in it."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from gateway.config.checks import check
from gateway.config.faults import ConfigFaults, Fault
from gateway.config.schema import Config
from gateway.config.source import Document, read_document
from gateway.config.translate import faults_of, secrets_in_clear


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read, interpolate and check the file.

    Raises:
        ConfigFaults: the file cannot be used; all of its faults at once.
    """
    document = read_document(path, environment)
    faults: list[Fault] = list(document.faults)
    config = None
    if document.data is not None:
        faults += secrets_in_clear(document)
        config = _validate(document, faults)
    if config is not None:
        faults += check(config, document)
    if faults or config is None:
        raise ConfigFaults(path, document.lines, faults)
    return config


def _validate(document: Document, faults: list[Fault]) -> Config | None:
    try:
        return Config.model_validate(document.data)
    except ValidationError as error:
        faults += faults_of(error, document)
        return None
