"""config.toml to frozen, typed settings: every fault at once, each with its path."""

from gateway.address import Secret
from gateway.settings.load import load_settings
from gateway.settings.model import (
    AlertSettings,
    AuditorSettings,
    ConsoleSettings,
    JournalSettings,
    PresetPin,
    ProviderSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    TargetSettings,
    Tls,
)

__all__ = [
    "AlertSettings",
    "AuditorSettings",
    "ConsoleSettings",
    "JournalSettings",
    "PresetPin",
    "ProviderSettings",
    "RouteSettings",
    "Secret",
    "ServerSettings",
    "Settings",
    "TargetSettings",
    "Tls",
    "load_settings",
]
