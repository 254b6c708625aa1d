"""Other queues' names over this one, for programs that were written for them.

Read ``celery`` first: Celery's app; ``tasks`` are its tasks. ``results`` is its AsyncResult with its exceptions, ``canvas`` are its workflows, ``settings`` is ``app.conf`` with schedules
and routes, ``options`` turns the options of its tasks and calls into ours, ``refused`` names what is not carried, with the way here. Nothing of it runs a job: it says in our words
what is said in theirs. Nothing imports it but its users. May import ``app`` and what is below it.
"""
