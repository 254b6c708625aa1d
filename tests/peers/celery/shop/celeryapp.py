"""The one file that is new."""

import os

import tasks
from celery import Celery

from litequeue.celery import export

celery = Celery("shop", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
celery.conf.broker_connection_retry_on_startup = True
celery.conf.worker_cancel_long_running_tasks_on_connection_loss = True
exported = export(tasks.app, celery, send=os.environ.get("SEND") != "no", schedules=os.environ.get("SCHEDULES") != "no")


@celery.task
def natively(x):
    return x * 2
