"""The signature of a user's function, for its names and not for its annotations.

Owns the one call of ``inspect.signature``. Since Python 3.14 annotations are worked out when somebody asks, and asking for
them as values raises NameError for a name that is imported under TYPE_CHECKING, or defined further down.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Raises ValueError and TypeError as ``inspect.signature``."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)
