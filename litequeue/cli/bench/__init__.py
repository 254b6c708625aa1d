"""The command ``bench``: this machine against the budgets.

``command`` runs them and prints; ``throughput``, ``reaction``, ``resources``, ``scale``, ``crowds``, ``flows``, ``elastic``, ``output`` and ``exact`` have the measurements, ``rig`` what they
share, ``floor`` the same work in raw sqlite3 beside them, ``tasks`` what is run.
"""
