"""Where calls run: threads, processes, or an event loop, behind one protocol.

Read ``base`` first, the protocol; ``call`` runs one call and makes an outcome of whatever it does, the only place where
exceptions become data. ``threads``, ``processes`` and ``coroutines`` are the kinds, and ``here`` is the main thread for one call that somebody looks at; of processes, each ``slot`` has one
``child``, with a ``channel`` between them, whose ``tie`` to the worker ends it with that, and whose ``group`` ends with it what its tasks have started; ``spawning`` is where it looks
for modules as it starts, ``bounded`` keeps its calls to what they may take of the machine, ``usage`` measures what they have used, ``watched`` is what the worker sees of it from outside, and ``whereabouts`` says
where a call was when its time was up. ``lending`` lets calls that wait for other jobs lend their slots, ``logs`` is how a worker and its children
write a log, ``json_lines`` the same as JSON, ``job_fields`` has each record say which job it is about, ``capturing`` sees what tasks print and log, ``live`` brings that from a child while it runs. What executes never sees the store. May import
``tasks`` and ``base``.
"""
