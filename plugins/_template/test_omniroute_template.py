"""The declaration keeps to the contract."""

from importlib.metadata import entry_points

from omniroute_hooks import Provider
from omniroute_template import omniroute_providers


def test_every_provider_has_an_address_a_dialect_and_models_with_prices():
    for provider in omniroute_providers():
        assert isinstance(provider, Provider)
        assert provider.base_url.startswith("https://")
        assert provider.dialect
        assert provider.models
        assert all(model.price for model in provider.models)


def test_the_key_goes_where_the_vendor_looks_for_it():
    [provider] = omniroute_providers()

    assert provider.auth.headers({"api_key": "k-1"}) == {"Authorization": "Bearer k-1"}


def test_the_installed_plugin_is_found_by_its_entry_point():
    modules = {point.value for point in entry_points(group="omniroute")}

    assert omniroute_providers.__module__ in modules
