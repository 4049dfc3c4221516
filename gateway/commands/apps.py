"""The apps that operators name in commands: those of the configuration, and no others."""

from gateway.config.faults import did_you_mean
from gateway.config.schema import Config
from gateway.errors import StartError


def check_app(config: Config, app_id: str | None) -> None:
    """Refuse an app that the configuration does not have.

    Raises:
        StartError: there is none of this id.
    """
    known = [app.id for app in config.apps]
    if app_id is not None and app_id not in known:
        raise StartError(f"no app has the id {app_id!r}{did_you_mean(app_id, known)}")
