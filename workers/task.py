"""The one Celery task: answer a wake-up by claiming. It carries a lane and no ids."""

import logging
from typing import Any

from billiard.util import get_logger
from celery import current_app, shared_task, signals

from medley import logs
from medley.settings import Settings
from orchestrator.broker import WAKE
from orchestrator.relay import send

log = logging.getLogger(__name__)


@shared_task(name=WAKE, ignore_result=True)  # type: ignore[untyped-decorator]
def wake(lane: str) -> None:
    """Runs what there is to run, in the database's order. A repeated or stale wake-up finds
    nothing.
    """
    from workers.child import runner

    runner(current_app._get_current_object()).drain(lane)


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _log(**_: Any) -> None:
    """Celery sets up no logs of its own where somebody listens to this."""
    logs.configure(Settings().log_format)
    get_logger().propagate = True  # what the pool says of its children


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin(**_: Any) -> None:
    """A new child: makes its runner now, so that it is known before its first wake-up."""
    from workers import child

    logs.configure(Settings().log_format)
    child.ignore_terminal()
    app = current_app._get_current_object()
    offer = child.runner(app).offering.offer
    # What was sent to a child that died is lost: a new one wakes its lanes itself.
    send(app, dict.fromkeys(offer.lanes, 1))


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    from workers import child

    child.leave()
