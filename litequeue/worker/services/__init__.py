"""What ticks beside the coordinator, each in a thread of its own: ``tick() -> seconds until the next``.

Read ``service`` first, the thread that calls a tick and does not die in silence. ``heartbeat`` renews the leases,
``watchdog`` notices a
coordinator that does not move, ``maintenance`` rescues the jobs of dead workers and prunes, ``listener`` turns datagrams into looks. ``clockwork`` makes
the ``scheduler`` once there is something to schedule: that fires ticks, with ``lookahead`` for those to come, and
``declaring`` writes down what loaded code declares. They post to the coordinator's inbox and change nothing of its state.
May import what the worker may, and its ``inbox``, ``config``, ``discovery``, ``journal`` and ``repeated_warning``.
"""
