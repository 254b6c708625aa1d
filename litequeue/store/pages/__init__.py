"""What the pages in a browser show, read from the file: one record a page.

Read ``parts`` first, the values and rows that pages share, then ``records``, what each page is made of, and ``whole``, all pages of a file. Each group of pages has a module that
reads it: ``overview`` (and what is around every page), ``jobs``, ``job``, ``queues``, ``tasks``, ``workers``, ``schedules``, ``flows``. They share ``series`` (the history as
charts show it), ``failures`` (by task and error), ``listed`` (jobs as rows of a list), ``secret_errors`` (errors without what is secret in them) and ``names`` (of queues and tasks); decisions without SQL are in ``lives`` (of a job's
attempts), ``layers`` (of a flow's jobs) and ``reasons`` (why somebody should look). Changes nothing, and holds neither HTML nor the words that a page makes of a number. May import what the store
may. Every statement is a single SELECT, fetched whole, that stops somewhere however large the file is.
"""

from .whole import Pages

__all__ = ["Pages"]
