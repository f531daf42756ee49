"""How Celery is set up here: it carries wake-ups, and nothing else.

No results, no canvas, no priorities, no timers, no revoke, no remote control: all of these live in
the database. A lost message costs a moment, a repeated one claims nothing. The reason for each
setting stands beside it.
"""

from typing import Any

from medley.errors import Unavailable
from medley.settings import Settings

WAKE = "medley.wake"  #: the name of the one task
REDIS = ("redis://", "rediss://", "redis+socket://")


def queue_of(lane: str) -> str:
    """Each lane is one queue."""
    return f"q.{lane}"


def broker_url(settings: Settings) -> str:
    """Where wake-ups travel. Raises `Unavailable` when neither broker nor Redis is named."""
    url = settings.broker_url or settings.redis_url
    if url is None:
        raise Unavailable("Set MEDLEY_REDIS_URL, or MEDLEY_BROKER_URL for another broker.")
    return url


def broker_config(settings: Settings) -> dict[str, Any]:
    """Celery's configuration, the queues apart."""
    url = broker_url(settings)
    return {
        "broker_url": url,
        "broker_transport_options": _redis_options(url) if url.startswith(REDIS) else {},
        "result_backend": None,
        "task_ignore_result": True,
        # Pickle would run the code of anybody who can write to the broker.
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        # Late acknowledgement with a prefetch of one: no wake-up waits behind a long step.
        "task_acks_late": True,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": False,
        # The broker never redelivers for us: leases do, and they count.
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        # CUDA cannot be used after a fork; a crash stays inside one child.
        "worker_pool": "prefork",
        "worker_pool_start_method": "spawn",
        "worker_proc_alive_timeout": 120.0,  # importing model libraries takes longer than 4 s
        # A lost broker must not end a long step. The default changes in Celery 6.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 4,
        "broker_pool_limit": 4,
        "broker_pool_acquire_timeout": 5,
        "task_publish_retry_policy": {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.1,
        },
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "task_create_missing_queues": False,
        "worker_disable_rate_limits": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Steps are let finish by the worker's own departure, which ends when they have.
        "worker_soft_shutdown_timeout": 0.0,
        "enable_utc": True,
        "timezone": "UTC",
    }


def _redis_options(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "visibility_timeout": 3600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 25,
        "global_keyprefix": "medley:",
        "client_name": "medley",
    }
    if not url.startswith("redis+socket://"):
        options["socket_keepalive"] = True
    return options
