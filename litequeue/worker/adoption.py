"""Jobs whose rows do not say what their tasks' code says: enqueued by name without options, or the code changed.

Owns that comparison, a pure function. It comes before the claim, since whoever has to judge a job after a
worker's death must find in its row what it is.
"""

from __future__ import annotations

from ..models import Adoption, ClaimedJob
from ..tasks import TaskCode


def adoption(job: ClaimedJob, code: TaskCode) -> Adoption | None:
    """What to write into the job's row before it can be claimed; None if nothing."""
    options = code.options
    if job.pool == options.pool and (not options.at_most_once or job.at_most_once and job.max_attempts == 1):
        return None
    attempts = options.max_attempts if job.max_attempts is None else job.max_attempts
    attempts = 1 if options.at_most_once else attempts
    return Adoption(job.id, options.pool, attempts, int(options.at_most_once))
