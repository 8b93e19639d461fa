"""The server on Ray Serve: ``jan-ort serve --on ray``, or ``serve run jan_ort.on_ray:app``."""

from __future__ import annotations

from typing import Any

from jan_ort.settings.schema import Settings, SettingsError


def app(args: dict[str, Any]) -> Any:
    """Return the application for ``serve run`` and its YAML, whose arguments are settings: ``model=NAME num_slots=4``.

    Settings that are not given come from variables and files, as ever. Raises: SettingsError.
    """
    from jan_ort.on_ray.deployment import Replicas, application
    from jan_ort.on_ray.proxies import set_up_proxies

    if unknown := sorted(set(args) - set(Settings.model_fields)):
        raise SettingsError(f"{unknown[0]!r} is not a setting; 'jan-ort config show' lists them")
    settings = Settings.read(**args)
    set_up_proxies()
    return application(settings, Replicas())
