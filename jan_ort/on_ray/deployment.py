"""The server as a deployment of Ray Serve: what a replica is, and how many there are."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jan_ort.ground.shown_text import log_as, log_to_stderr
from jan_ort.http.launcher import UNATTENDED_DRAIN_S
from jan_ort.on_ray.answer import RETRY_AFTER_S
from jan_ort.on_ray.applications import NAME
from jan_ort.on_ray.asking import App, Message, Receive, Send
from jan_ort.on_ray.loopback import listen_on_loopback
from jan_ort.settings.schema import Settings, SettingsError

if TYPE_CHECKING:
    from quart import Quart

_ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"
_VIRTUAL_NODES = 500
"""Of each replica on the router's ring: Ray's own 100 leave the fullest of 16 with a quarter more than the mean."""

_SHARES = "onnxruntime"
"""The backend whose processes can share weights."""

_FREEING_S = 5.0
"""For the models to be freed, after the requests."""


class ReplicaFailed(Exception):
    """Raised in a replica that cannot be of use; Ray starts another one."""


@dataclass(frozen=True)
class Replicas:
    """How many replicas there are: so many, or up to ``at_most`` while requests wait; and each one's share of CPUs."""

    num: int = 1
    at_most: int | None = None
    num_cpus: float = 1.0

    @property
    def options(self) -> dict[str, Any]:
        """What Ray is told of it, but for what the settings say."""
        return {"num_replicas": self.num} if self.at_most is None else {}


class Replica:
    """One server, whose app Ray asks directly."""

    app: Quart

    async def check_health(self) -> None:
        """Ask the app as any probe does. Raises: ReplicaFailed, upon which Ray replaces this replica."""
        answer = await self.app.test_client().get("/livez")
        if answer.status_code != 200:
            raise ReplicaFailed(f"/livez answers {answer.status_code}")


def check_on_ray(settings: Settings, replicas: Replicas) -> None:
    """Refuse what several replicas cannot have. Raises: SettingsError."""
    if settings.metrics_port:
        raise SettingsError(
            "--metrics-port is one port, which several replicas cannot share; with --on ray it must be 0"
        )
    if replicas.at_most is not None and replicas.at_most < replicas.num:
        raise SettingsError(f"--max-replicas is {replicas.at_most}: fewer than --replicas, {replicas.num}")


def application(settings: Settings, replicas: Replicas) -> Any:
    """Return what ``serve.run`` runs. Raises: SettingsError."""
    from ray import serve

    check_on_ray(settings, replicas)
    ingress = serve.ingress(_building(sharing_weights(settings)))(Replica)
    return serve.deployment(name=NAME, **replicas.options, **_options(settings, replicas))(ingress).bind()


def _options(settings: Settings, replicas: Replicas) -> dict[str, Any]:
    drain_s = UNATTENDED_DRAIN_S if settings.drain_s is None else settings.drain_s
    options: dict[str, Any] = {
        # As many wait at a replica as it computes; what is more goes to the next one on the ring.
        "max_ongoing_requests": 2 * settings.num_slots,
        "max_queued_requests": settings.max_queued,
        "backpressure_config": {"status_code": 429, "retry_after_s": RETRY_AFTER_S},
        "request_router_config": {
            "request_router_class": _ROUTER,
            "request_router_kwargs": {"num_virtual_nodes": _VIRTUAL_NODES},
        },
        "graceful_shutdown_timeout_s": drain_s + _FREEING_S,
        "graceful_shutdown_wait_loop_s": 0.5,
        "health_check_period_s": 5,
        "max_surge_percent": 25,  # an update starts a new replica before it stops an old one
        "ray_actor_options": {"num_cpus": replicas.num_cpus},
    }
    if replicas.at_most is not None:
        options["autoscaling_config"] = {
            "min_replicas": replicas.num,
            "max_replicas": replicas.at_most,
            "target_ongoing_requests": settings.num_slots,
        }
    return options


def sharing_weights(settings: Settings) -> Settings:
    """Return the settings with weights that replicas of one machine share; what is given already counts more."""
    if settings.backend not in (None, _SHARES) or _SHARES not in (settings.allow_backend or (_SHARES,)):
        return settings
    given = (f"{_SHARES}:share_weights=1", *settings.backend_option)
    return settings.model_copy(update={"backend_option": given})


def _building(settings: Settings) -> Callable[[], Quart]:
    """Return what makes a replica's app, in its own process: an app cannot be sent there, but its settings can."""

    def build() -> Quart:
        return replica_app(settings)

    return build


def replica_app(settings: Settings) -> Quart:
    """Return the app of a replica, which has started once its models are loaded: until then it gets no request."""
    from jan_ort import create_app
    from jan_ort.http.routes import EXTENSION

    listen_on_loopback()
    log_to_stderr(logging.INFO)
    log_as(settings.log_level, in_json=settings.log_format == "json")
    app = create_app(settings)
    app.asgi_app = _at_root(app.asgi_app)  # type: ignore[method-assign, assignment, arg-type]

    @app.before_serving
    async def wait() -> None:
        server = app.extensions[EXTENSION]
        if not await server.wait_loaded():
            raise ReplicaFailed(f"the models cannot be loaded: {server.failure}")

    return app


def _at_root(app: App) -> App:
    """Return the app as at ``/``: where it is one of several, Ray's proxy tells it the path below which it is."""

    async def asked(scope: Message, receive: Receive, send: Send) -> None:
        if root := scope.get("root_path"):
            scope = {**scope, "root_path": "", "path": scope["path"].removeprefix(root) or "/"}
        await app(scope, receive, send)

    return asked
