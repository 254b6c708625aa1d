"""A worker and its file in memory, which think schedules and workflows through.

``given`` is what is said of a simulation, and its randomness; ``reading`` finds the schedules, the tasks and the limits of an app; ``world`` goes from
moment to moment. What is there: ``jobs``, how they wait for each other in ``links`` and for slots of limits in ``limits``, the ``schedules`` with their
ticks. ``report`` is what came of it.

What production code decides without the file is asked of it: which ticks fire (``triggers/firing``), what an exception means (``pools/call``), what
becomes of a job then (``worker/settling``), what a workflow comes to (``workflow/compiling``). What it decides in SQL is said again here, in a
few lines each; tests/testing drives both at random, and holds them to be equal.
"""
