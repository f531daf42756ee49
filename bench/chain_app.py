"""The bare Celery app that `overhead.py` compares with: a chain of no-op tasks, Celery's own
defaults.
"""

import os

import redis
from celery import Celery

app = Celery("chain", broker=os.environ["BENCH_BROKER"])
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_send_task_events = False
_client = redis.Redis.from_url(os.environ["BENCH_REDIS"])


@app.task
def step(text: str) -> str:
    """Does nothing, and passes its input on."""
    return text


@app.task
def last(text: str) -> None:
    """The fifth: tells the bench that this chain is over."""
    _client.lpush("bench:done", text)
