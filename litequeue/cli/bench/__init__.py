"""The command ``bench``: this machine against the budgets.

``command`` has the measurements, ``floor`` the same work in raw sqlite3 beside them, ``tasks`` what is run.
"""
