"""The worker: claim, dispatch, settle. ``worker`` is its life, ``coordinator`` the loop; ``settling`` decides what outcomes mean;
``discovery`` finds tasks' code; ``heartbeat``, ``maintenance`` and ``listener`` serve it from threads of
their own; ``embedded`` runs one inside an app, ``signals`` stops one.
"""
