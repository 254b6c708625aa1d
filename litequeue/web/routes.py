"""The list of addresses: which page answers where.

Owns that list and nothing else. The style sheet, the events and the login are ``site``'s own.
"""

from __future__ import annotations

from typing import Final

from . import deeds, looks
from .routing import Route

ROUTES: Final[tuple[Route, ...]] = (
    Route("/", "GET", looks.overview),
    Route("/jobs", "GET", looks.jobs),
    Route("/jobs/act", "POST", deeds.act),
    Route("/jobs/{job:int}", "GET", looks.job),
    Route("/jobs/{job:int}/{name}", "GET", looks.job_text),
    Route("/failures", "GET", looks.failures),
    Route("/queues", "GET", looks.queues),
    Route("/queues/{name}", "GET", looks.queue),
    Route("/queues/{name}/pause", "POST", deeds.pause_queue),
    Route("/queues/{name}/resume", "POST", deeds.resume_queue),
    Route("/tasks", "GET", looks.tasks),
    Route("/tasks/{name}", "GET", looks.task),
    Route("/workers", "GET", looks.workers),
    Route("/workers/{worker:int}", "GET", looks.worker),
    Route("/schedules", "GET", looks.schedules),
    Route("/schedules/{name}", "GET", looks.schedule),
    Route("/schedules/{name}/pause", "POST", deeds.pause_schedule),
    Route("/schedules/{name}/resume", "POST", deeds.resume_schedule),
    Route("/schedules/{name}/run", "POST", deeds.run_schedule),
    Route("/flows", "GET", looks.flows),
    Route("/flows/{flow:int}", "GET", looks.flow),
    Route("/doctor", "GET", looks.doctor),
    Route("/metrics", "GET", looks.metrics),
)
