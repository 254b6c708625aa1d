"""The ground floor: values, words and small tools that every other room stands on. It imports nothing of ours.

Read ``errors`` first, then ``states`` and ``models``. ``errors`` has the one family of exceptions, ``states`` the
states of a job and the moves between them, ``models`` the values that move between the rooms, ``exact`` those of unique jobs and limits, ``outcomes`` what running
a call can come to, ``records`` what people are shown, ``abridged`` what of a failed job is handed on. ``checks`` judges what users hand us, with ``durations`` for
spans of time, ``sizes`` for those of memory, ``keyspec`` for what a key is made of, and ``backoff`` for the wait before a retry. ``clock`` is the only one that reads the wall clock, and makes
randomness. ``bell`` wakes other processes, through a ``loopback`` socket, ``filelock`` is a lock that the kernel drops with its holder, ``namedlocks`` many of them in one file, ``lockfolder``
the folder of those that workers hold, ``trust`` says who else can write a file, ``denied`` whose permissions are in the way, ``accounts`` who there is on this host, ``as_owner`` makes root a user while it opens that user's, ``here`` where a relative path begins, ``homes`` what things of a module are called in the file, ``mainguard`` which programs lack theirs, ``stored`` reads JSON from the file
within limits, ``counts`` has those that stop somewhere, ``history`` has the spans and buckets in which ends are counted, ``alertkinds`` has the conditions that alerts tell of, and ``alerting`` what they make of looks at one, ``search`` is the grammar in which people say which jobs they mean, ``forks`` sees to signals in a fork's child, ``forkguard`` lets nobody fork at a wrong moment, ``shadowed`` tells of files that stand in for Python's modules, ``log`` is for what litequeue itself logs, ``masking`` shows calls without what in them is secret, ``statements`` is the face of a program's transaction, ``signatures`` asks for a function's, ``version`` is litequeue's own. ``softguard`` raises a timeout
inside a thread, ``delicate`` says where not, and ``swallowed`` whether it came to nothing: they are here since the store shields its transactions from what the pools
raise, and neither of the two may see the other.

Nothing is handed on from here: who needs ``records`` only now and then imports it only then.
"""
