# shop/tasks.py
import os

import django
from django.apps import apps
from django.db import close_old_connections

from litequeue import LiteQueue

if not apps.ready:  # a worker's process: nobody has set Django up
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    django.setup()

from shop.models import Order

queue = LiteQueue("db.sqlite")

@queue.before_run
def begin(job):
    close_old_connections()

@queue.after_run
def end(job, error):
    close_old_connections()

@queue.task
def pack(pk):
    order = Order.objects.get(pk=pk)
    order.state = "packed"
    order.save()
    return f"packed {order.name}"
