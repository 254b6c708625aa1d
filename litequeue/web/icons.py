"""The page's own icons: strokes of 14 by 14 in the colour of the text beside them, and the shape of each state.

Owns their paths and nothing else. An icon says nothing by itself: a word stands beside each, or the control names itself.
"""

from __future__ import annotations

from typing import Final

from .html import Markup, el

_PATHS: Final = {
    "overview": '<path d="M2.5 6.4 7 2.6l4.5 3.8v5H8.6V8.4H5.4v3H2.5z"/>',
    "jobs": '<path d="M2.6 3.6h8.8M2.6 7h8.8M2.6 10.4h5.6"/>',
    "failures": '<path d="M7 2.2 12.2 11.6H1.8z"/><path d="M7 5.6v2.6M7 10v.1"/>',
    "queues": '<rect x="2.2" y="2.6" width="9.6" height="2.4" rx=".8"/><rect x="2.2" y="5.9" width="9.6" height="2.4" rx=".8"/>'
    '<rect x="2.2" y="9.2" width="9.6" height="2.4" rx=".8"/>',
    "tasks": '<path d="M5 3 1.8 7 5 11M9 3l3.2 4L9 11"/>',
    "workers": '<rect x="3" y="3" width="8" height="8" rx="1.4"/>'
    '<path d="M5.6 1.4V3M8.4 1.4V3M5.6 11v1.6M8.4 11v1.6M1.4 5.6H3M1.4 8.4H3M11 5.6h1.6M11 8.4h1.6"/>',
    "schedules": '<circle cx="7" cy="7" r="4.9"/><path d="M7 4.2V7l2 1.3"/>',
    "flows": '<circle cx="3" cy="7" r="1.6"/><circle cx="11" cy="3.4" r="1.6"/><circle cx="11" cy="10.6" r="1.6"/><path d="M4.5 6.4 9.5 4M4.5 7.6l5 2.4"/>',
    "search": '<circle cx="6" cy="6" r="3.6"/><path d="M8.8 8.8 12 12"/>',
    "copy": '<rect x="4.6" y="4.6" width="7" height="7" rx="1.2"/><path d="M9.4 2.4H3.6a1.2 1.2 0 0 0-1.2 1.2v5.8"/>',
    "pause": '<path d="M5 3v8M9 3v8"/>',
    "play": '<path d="M4.4 2.8v8.4L11 7z"/>',
    "note": '<circle cx="7" cy="7" r="4.9"/><path d="M7 6.4v3M7 4.4v.1"/>',
    # The states.
    "available": '<circle cx="7" cy="7" r="4.6"/>',
    "running": '<circle cx="7" cy="7" r="4.9" stroke-opacity=".35"/><path d="M7 2.1a4.9 4.9 0 0 1 4.9 4.9"/>',
    "scheduled": '<circle cx="7" cy="7" r="4.9"/><path d="M7 4.4V7l1.8 1.2"/>',
    "retrying": '<path d="M11.4 5.2A4.8 4.8 0 1 0 11.8 7.6"/><path d="M11.7 2.6v2.7H9"/>',
    "blocked": '<rect x="3" y="6.2" width="8" height="5.4" rx="1.2"/><path d="M4.8 6.2V4.6a2.2 2.2 0 0 1 4.4 0v1.6"/>',
    "succeeded": '<path d="M2.8 7.4 5.7 10.2 11.3 4.2"/>',
    "discarded": '<path d="M3.6 3.6l6.8 6.8M10.4 3.6l-6.8 6.8"/>',
    "cancelled": '<circle cx="7" cy="7" r="4.9"/><path d="M3.7 10.3l6.6-6.6"/>',
    "expired": '<path d="M4 2.2h6M4 11.8h6M4.6 2.4c0 3 4.8 3.4 4.8 9.2M9.4 2.4c0 3-4.8 3.4-4.8 9.2"/>',
}
NAMES: Final = frozenset(_PATHS)
_ICONS: Final = {name: el("svg", Markup(path), class_="i", viewBox="0 0 14 14", aria_hidden="true") for name, path in _PATHS.items()}

LOGO: Final = el(
    "svg",
    el("rect", class_="logo", width=20, height=20, rx=5.5),
    el("path", class_="logo-ink", d="M5 6.2h10M5 10h7M5 13.8h4"),
    viewBox="0 0 20 20",
    aria_hidden="true",
)


def icon(name: str) -> Markup:
    """Raises KeyError for a name that has none."""
    return _ICONS[name]
