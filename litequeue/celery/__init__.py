"""Past one host: an app's tasks and schedules on Celery, with ``tasks.py`` as it is.

Read ``exporting`` first: ``export(app, celery)``, and what it asks of the Celery app. ``task`` is what Celery knows of one of ours, ``carried`` says what an enqueue becomes there and
what cannot be carried over, ``running`` runs a function as one of our workers does, in its ``context``, and tells Celery what it came to, with the ``bookkeeping`` that travels in the message and what the backend has ``remembered``.
``client`` takes the place of the file in the app, ``handle`` that of its jobs; ``wire`` is the serializer, ``beat`` has schedules for Celery's clock. ``moving`` brings what waits in a file
there, as ``migrating`` is told to. May import all of the package but ``cli``, and celery and kombu; nothing but a command of its own imports it.
"""

from .carried import NotCarried
from .exporting import export

__all__ = ["NotCarried", "export"]
