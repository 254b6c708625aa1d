"""Cron expressions: what they say, in words and in the next ticks. ``explain`` and ``preview`` are for people.

Read ``expression`` first, the whole of one; ``fields`` reads the text of a field, ``search`` finds the next tick and
knows what daylight saving time does to it, ``words`` says it in English, ``zones`` finds a time zone by its name. Reads
no clock. May import ``base``.
"""

from .expression import REBOOT, Expression, Preview, explain, parse, preview

__all__ = ["REBOOT", "Expression", "Preview", "explain", "parse", "preview"]
