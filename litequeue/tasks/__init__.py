"""What a task is: its code and its options, where the code is found again, and what it can ask while it runs.

Read ``code`` first; ``template`` is how its jobs are, ``modules`` imports the module that a task is in, ``checked`` with care where only the database names it, ``finding`` finds the task of a stored name in one,
``functions`` looks at the function, ``source`` is its file as it was then, ``greenlets`` keeps gevent and eventlet from replacing the threads of its process, ``context`` is
``current_job()``, ``durable`` its steps, ``progress`` how far it says that it is, ``kept`` what it prints and logs, ``ticking`` the thread that looks for both, ``acknowledging`` its own transaction, ``bounds`` what it may take of the machine, ``callbacks`` what is called once one has ended, ``each`` are jobs that call their task many times, ``keys`` the keys of unique ones,
``hooks`` what an app has called around them, ``observers`` those of ``app.use``. ``rehearsed`` is a running job of which nothing is recorded. Runs no task and opens no file. May import ``options``, ``payload`` and ``base``.
"""

from .code import MARK, Hooks, Marked, TaskCode
from .template import Template, columns_of

__all__ = ["MARK", "Hooks", "Marked", "TaskCode", "Template", "columns_of"]
