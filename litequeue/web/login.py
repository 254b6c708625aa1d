"""The login page, which stands at the address that was asked for: who has come in is where he wanted to be.

Owns its HTML and the names of its fields. A form that was sent after its session had ended is kept in it, as fields that are not shown, and
is sent again along with what is typed; all that is kept is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape as esc
from typing import Final

from .guarding import FORM_TOKEN
from .notices import frame

FIELD: Final = "litequeue_login"  # what is typed: a code, or the token
AGAIN: Final = "litequeue_again"  # there, if a form is kept


def page(root: str, *, has_token: bool, kept: Mapping[str, tuple[str, ...]] | None = None, said: str = "") -> bytes:
    """``kept``: the form that is to be sent again; ``said``: why the page is shown again."""
    what = "The token that is in the file that the page was started with, or a code" if has_token else "A code"
    hidden = "" if kept is None else "".join(map(_hidden, ((AGAIN, "1"), *((name, value) for name, values in kept.items() for value in values))))
    after = "" if kept is None else "<p>You were logged out before your form came. It has been kept, and is sent once you are in.</p>"
    wrong = f'<p class="up" role="alert">{esc(said)}</p>' if said else ""
    body = (
        f'{after}{wrong}<form class="stack" method="post">{hidden}'
        f'<label for="code">{what} from the address that is shown where the page was started. A code can be used once.</label>'
        f'<div class="filter"><input id="code" name="{FIELD}" type="password" autocomplete="off" maxlength="500" required autofocus></div>'
        '<div><button class="btn primary">Log in</button></div></form>'
    )
    return frame("Log in", body, root)


def typed(form: Mapping[str, tuple[str, ...]]) -> str | None:
    """What somebody logs in with, if that is what he does: he may have copied the whole address."""
    if FIELD not in form:
        return None
    text = form[FIELD][-1].strip()
    return text.rpartition("code=")[2] if text.startswith(("http://", "https://")) else text


def is_again(form: Mapping[str, tuple[str, ...]]) -> bool:
    return AGAIN in form


def without_ours(form: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The form as a page knows it."""
    return {name: values for name, values in form.items() if name not in (FIELD, AGAIN, FORM_TOKEN)}


def _hidden(field: tuple[str, str]) -> str:
    return f'<input type="hidden" name="{esc(field[0])}" value="{esc(field[1])}">'
