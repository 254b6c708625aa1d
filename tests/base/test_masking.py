"""What of a call is secret, and how it and texts about it are shown without."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from litequeue.base import masking
from litequeue.base.errors import InvalidArgument
from litequeue.base.masking import MASK, MOST, Secrets, recorded
from litequeue.base.signatures import signature_of
from litequeue.base.stored import MAX_BYTES, compressed
from litequeue.payload import Codec

pytestmark = pytest.mark.beside


def secrets(function: Callable[..., Any], *names: str) -> Secrets:
    return Secrets.of("t", signature_of(function), names)


def shown(secret: Secrets, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """A call as it is shown, through what is stored of it and of its task."""
    found = recorded("t", json.dumps({"queue": "default", "secret": secret.as_json()}))
    assert found == secret
    masked = found.call(json.dumps(args), json.dumps(kwargs))
    return tuple(map(json.loads, masked))


def plain(user: Any, password: Any, /, key: Any = None, *, token: Any = None) -> None: ...
def greedy(user: Any, *words: Any, colour: Any = None, **more: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "names", "args", "kwargs", "expected"),
    [
        (plain, ["password"], ["ann", "pw"], {}, (["ann", MASK], {})),
        (plain, ["password"], ["ann"], {}, (["ann"], {})),
        (plain, ["key", "token"], ["ann", "pw", "k"], {"token": "t"}, (["ann", "pw", MASK], {"token": MASK})),
        (plain, ["key"], ["ann", "pw"], {"key": {"deep": [1]}, "token": "t"}, (["ann", "pw"], {"key": MASK, "token": "t"})),
        (greedy, ["words"], ["ann", "a", "b"], {"colour": "red"}, (["ann", MASK, MASK], {"colour": "red"})),
        (greedy, ["more"], ["ann"], {"colour": "red", "pin": 1}, (["ann"], {"colour": "red", "pin": MASK})),
        (greedy, ["more", "colour"], [], {"user": "ann", "colour": "red", "pin": 1}, ([], {"user": "ann", "colour": MASK, "pin": MASK})),
        (greedy, ["pin"], ["ann"], {"pin": 1, "other": 2}, (["ann"], {"pin": MASK, "other": 2})),
        (lambda **more: None, ["more"], [], {"a": 1, "b": 2}, ([], {"a": MASK, "b": MASK})),
    ],
)  # fmt: skip
def test_an_argument_is_masked_however_it_is_given(
    function: Callable[..., Any], names: list[str], args: list[Any], kwargs: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    assert shown(secrets(function, *names), *args, **kwargs) == expected


def test_a_name_that_the_function_does_not_take_is_refused_with_what_it_takes() -> None:
    with pytest.raises(InvalidArgument, match=r"secret names 'passwort', which is no argument of t; its arguments are: user, password, key, token"):
        secrets(plain, "password", "passwort")


def test_a_call_without_secrets_stays_the_very_text() -> None:
    args, kwargs = '["ann", 1]', '{"x" : 1.50}'
    assert secrets(plain, "token").call(args, kwargs) == (args, kwargs)


@pytest.mark.parametrize("args", ["no JSON", "{}", "[" * 10_000, '["' + "x" * MAX_BYTES + '"]', '"text"'])
def test_of_arguments_that_cannot_be_read_nothing_is_shown(args: str) -> None:
    """Somebody planted them; and nobody can say which of them is secret."""
    secret = secrets(plain, "password")
    assert secret.call(args, "{}") == ('"***"', '"***"')
    assert secret.hider(args, "{}")("text") == "text"


def test_keywords_in_an_odd_form_are_not_shown_at_all() -> None:
    kwargs = Codec().encode({"$password": "battery staple"})
    assert secrets(greedy, "more").call('["ann"]', kwargs) == ('"***"', '"***"')


@pytest.mark.parametrize(
    "said",
    ["password", ["password"], 7, {"names": "password"}, {"names": 7}, {"rest": "x"}, {"positions": [[]]}, {"later": ["x"]}, {"names": {"a": 1}}],
)  # fmt: skip
def test_where_the_record_cannot_be_read_all_arguments_are_secret(said: Any) -> None:
    """Planted, or of a litequeue to come."""
    found = recorded("t", json.dumps({"queue": "default", "secret": said}))
    assert found is not None and found.call('["ann", 1]', '{"x": 2}') == ('["***","***"]', '{"x":"***"}')


@pytest.mark.parametrize("options", [None, "", "{}", '{"secret": null}', '{"queue": "secret"}'])
def test_a_task_without_secrets_has_none(options: str | None) -> None:
    assert recorded("t", options) is None


def test_what_commands_have_in_secret_is_known_without_a_record_and_their_names_are_shown() -> None:
    """An older litequeue that enqueues a command records no secrets of it."""
    found = recorded(masking.COMMAND, '{"queue": "default"}')
    assert found is not None
    _, kwargs = found.call("[]", '{"argv": ["x"], "env": {"A": "a"}, "secret_env": {"B": "b"}}')
    assert json.loads(kwargs) == {"argv": ["x"], "env": {"A": "a"}, "secret_env": {"B": MASK}}
    assert json.loads(found.call("[]", '{"secret_env": ["planted"]}')[1]) == {"secret_env": MASK}


# -- texts about a call ---------------------------------------------------------------------------------------


def told(value: Any, text: str) -> str:
    """A text without what a secret argument says."""
    return secrets(plain, "password").hider(Codec().encode(["ann", value]), "{}")(text)


class Token:
    def __init__(self, text: str) -> None:
        self.text = text


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("hunter2", "no hunter2, 'hunter2'", "no ***, '***'"),
        ("abc", "abc is in too many words, as in abcess", "abc is in too many words, as in abcess"),
        ("1234", "1234", MASK),
        (8_675_309, "wrong pin 8675309", "wrong pin ***"),
        (True, "True", "True"),
        (None, "None", "None"),
        ("it's\na \\ key", repr("it's\na \\ key"), '"***"'),
        ("it's\na \\ key", json.dumps({"key": "it's\na \\ key"}), '{"key": "***"}'),
        ("first line\nsecond line", "in line 2: second line", "in line 2: ***"),
        ({"name": "ann", "keys": ["hunter2", {"old": "hunter1"}]}, "hunter1 or hunter2 in keys", "*** or *** in keys"),
        (b"hunter2\xff", f"{b'hunter2' + bytes([255])!r} was", "b'***' was"),
        (b"hunter2", "hunter2", MASK),
        (Path("/home/ann/key"), "PosixPath('/home/ann/key')", "PosixPath('***')"),
        (Decimal("12345.67"), "12345.67", MASK),
        ("\ud800hunter2", "\ud800hunter2", MASK),
        ("hunter2", "hunter2" * 3, MASK * 3),
        ("hunter2 and hunter2 again", "hunter2 and hunter2 again", MASK),
        ("A" * 300, f"{'A' * 300!r:.100} is wrong", "'*** is wrong"),
        ("0123456789abcdefgh", "0123456789abcdef and 0123456789abcde", "*** and 0123456789abcde"),
        ("****", "**** and ***", "*** and ***"),
    ],
)  # fmt: skip
def test_a_secrets_text_is_taken_out_of_what_somebody_wrote(value: Any, text: str, expected: str) -> None:
    assert told(value, text) == expected


def test_the_name_of_a_registered_class_is_no_secret() -> None:
    codec = Codec()
    codec.register(Token, lambda token: token.text, Token, "tasks.Token")
    args = codec.encode(["ann", Token("hunter2")])
    assert secrets(plain, "password").hider(args, "{}")("tasks.Token has hunter2") == "tasks.Token has ***"


def test_of_a_call_with_very_many_secrets_no_text_is_shown() -> None:
    """To look for each would take for ever."""
    assert told([f"secret {n}" for n in range(MOST + 1)], "x" * 100_000) == MASK


@pytest.mark.parametrize("value", [{"$bytes": "?"}, {"$str": "xyz"}, {"$type": []}, {"$path": 7}, {"$bytes": None}])
def test_planted_tags_do_no_harm(value: Any) -> None:
    hide = secrets(plain, "password").hider(json.dumps(["ann", value, "x"]), "{}")
    assert hide("text") == "text"


def test_of_what_another_codec_wrote_nothing_is_shown_and_of_compressed_json_what_is_not_secret() -> None:
    secret = secrets(plain, "password")
    tag = '{"$codec":["pickle","gARLBS4=","t","args","00"]}'
    assert secret.call(tag, "{}") == ('"***"', '"***"')
    assert secret.hider(tag, "{}")("who knows what is in it") == MASK
    text = compressed(json.dumps(["ann", "battery staple"]))
    assert secret.call(text, "{}") == ('["ann","***"]', "{}")
    assert secret.hider(text, "{}")("battery staple is not ann's") == "*** is not ann's"
