"""The options of an alert: of ``app.alerts.add``, and of the command ``alert add``.

Owns the list: what is watched, for how long it must be so, and who is told. That somebody is told is the face's to see to.
"""

from typing import Annotated, Any, Final, TypedDict

from ..base.errors import InvalidArgument
from .kinds import ADDRESSES, LENGTH, SPAN, Span, anything, line
from .option import Kind, Option


def _condition(value: Any, name: str) -> str:
    from ..base import alertkinds  # for the few who watch something

    try:
        return alertkinds.written(alertkinds.parse(value))
    except InvalidArgument as error:
        raise InvalidArgument(f"{name}: {error}") from None


CONDITION: Final = Kind(_condition, "CONDITION")


class AlertOptions(TypedDict, total=False):
    """What is watched, and who is told."""

    when: Annotated[str | None, Option(CONDITION, "what is watched, such as 'oldest queue=mail >5m'", said="none, it has to be said")]
    for_: Annotated[Span | None, Option(SPAN, "it has to be so for this long before anybody is told; 0: at the first look", "1m")]
    keep: Annotated[Span | None, Option(SPAN, "it has to be good for this long before it is over, and at two looks at least", 0, "two looks")]
    remind: Annotated[Span | None, Option(LENGTH, "tell again each time that it has fired for this long", said="never")]
    run: Annotated[str | None, Option(line("COMMAND"), "for the shell; given the news as one line of JSON on its input", said="none")]
    task: Annotated[Any, Option(anything("TASK"), "run this task, with the same as a dict", said="none")]
    mail_to: Annotated[
        str | list[str] | None, Option(ADDRESSES, "mail the same there, through the host's sendmail; several with commas", said="nobody")
    ]
