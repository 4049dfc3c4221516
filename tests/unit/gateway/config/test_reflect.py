from gateway.config.app_schema import RouteConfig
from gateway.config.billing_schema import BillingConfig
from gateway.config.reflect import field_at, holds_secret, model_at, open_keys
from gateway.config.schema import Config, ListenConfig


def test_the_model_at_a_path_is_found_through_lists() -> None:
    assert model_at(()) is Config
    assert model_at(("apps", 3, "routes", 0)) is RouteConfig
    assert model_at(("apps", 3, "nonsense", "deeper")) is None
    assert model_at(("listen", "port")) is None


def test_the_field_at_a_path_is_found() -> None:
    assert field_at(("listen", "port")) is ListenConfig.model_fields["port"]
    assert field_at(("listen", "prot")) is None
    assert field_at(()) is None


def test_a_section_holds_the_secrets_below_it() -> None:
    assert holds_secret(BillingConfig)
    assert not holds_secret(ListenConfig)


def test_a_key_that_is_a_secret_anywhere_is_never_open() -> None:
    assert {"port", "host", "id", "access"} <= open_keys()
    assert not {"url", "key", "signing_key", "billing", "stripe", "tokens"} & open_keys()
