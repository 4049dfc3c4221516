"""What of a file can be checked all the same when the file as a whole does not fit the schema.

Without this, a typo in one section would hide every contradiction in the others.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from gateway.config.app_schema import AppConfig
from gateway.config.billing_schema import BillingConfig, PlanConfig
from gateway.config.schema import (
    EncryptionConfig,
    IdentityConfig,
    ListenConfig,
    OAuthConfig,
    PublicConfig,
    SecretsConfig,
)
from gateway.config.section import Section

_S = TypeVar("_S", bound=Section)


@dataclass(frozen=True, slots=True)
class Parts:
    """The sections, apps and plans that fit; None for a section that does not.

    Apps and plans have their place in the file as key. `app_ids` None means that an id
    could not be read, `has_all_plans` False that a plan could not: what is missing among
    them may then not be missing at all. `apps_of_plans` are the names by which plans call
    apps, also of plans that do not fit.
    """

    listen: ListenConfig | None
    public: PublicConfig | None
    secrets: SecretsConfig | None
    encryption: EncryptionConfig | None
    identity: IdentityConfig | None
    oauth: OAuthConfig | None
    billing: BillingConfig | None
    plans: dict[int, PlanConfig]
    apps: dict[int, AppConfig]
    has_all_plans: bool
    app_ids: frozenset[str] | None
    apps_of_plans: dict[int, tuple[str, ...]]


def parts_of(data: dict[str, Any]) -> Parts:  # any YAML mapping
    """Return what fits of the file's data."""
    raw_plans, raw_apps = _list_at(data, "plans"), _list_at(data, "apps")
    plans, apps = _fitting(PlanConfig, raw_plans), _fitting(AppConfig, raw_apps)
    ids = [app.get("id") if isinstance(app, dict) else None for app in raw_apps]
    known = frozenset(str(id_) for id_ in ids if isinstance(id_, str))
    return Parts(
        listen=_section(ListenConfig, data.get("listen", {})),
        public=_section(PublicConfig, data.get("public", {})),
        secrets=_section(SecretsConfig, data.get("secrets", {})),
        encryption=_section(EncryptionConfig, data.get("encryption", {})),
        identity=_section(IdentityConfig, data.get("identity", {})),
        oauth=_section(OAuthConfig, data.get("oauth", {})),
        billing=_section(BillingConfig, data.get("billing", {})),
        plans=plans,
        apps=apps,
        has_all_plans=isinstance(data.get("plans"), list) and len(plans) == len(raw_plans),
        app_ids=known if ids and all(isinstance(id_, str) for id_ in ids) else None,
        apps_of_plans={
            index: tuple(plan["apps"])
            for index, plan in enumerate(raw_plans)
            if isinstance(plan, dict) and isinstance(plan.get("apps"), dict)
        },
    )


def _list_at(data: dict[str, Any], key: str) -> list[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else []


def _fitting(model: type[_S], items: list[Any]) -> dict[int, _S]:
    found = {index: _section(model, item) for index, item in enumerate(items)}
    return {index: item for index, item in found.items() if item is not None}


def _section(model: type[_S], data: Any) -> _S | None:
    try:
        # An unknown key is told of already, and hinders no check.
        return model.model_validate(data, extra="ignore")
    except ValidationError:
        return None
