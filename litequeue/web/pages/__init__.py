"""The pages: each a function from what the store has read, the frame around it and the request to a ``Response``. Pure.

Read ``overview`` first; ``rows`` has the tables that several pages show, ``reasons`` says why somebody should look. ``jobs`` is the list of jobs and ``job`` one of them (``job_parts``: its panels), ``failures`` the
discarded ones by their errors, ``queues``, ``tasks``, ``workers``, ``schedules`` and ``flows`` the lists and the single ones of those, ``doctor`` what is wrong, ``texts`` whole texts, ``acting`` what a bulk
action is about to do, ``trouble`` what went wrong with a request. May import what lies in ``web`` but what serves it.
"""
