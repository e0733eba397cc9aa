"""A secret is masked however a program writes it, and however its output is cut."""

from __future__ import annotations

import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.agent.mask import Masker
from pulumi_training.spec.errors import mask

ODD = 'p@ss "w\'ö\\rd"/+&é?<x>%\t'
TOKEN = "hunter2-Token_9"
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQ+/aa\nAB\n-----END KEY-----\n"

WAYS = {
    "as it is": str,
    "json": json.dumps,
    "json, not ASCII": lambda s: json.dumps(s, ensure_ascii=False),
    "json in json": lambda s: json.dumps(json.dumps({"k": s})),
    "json with escaped slashes": lambda s: json.dumps(s).replace("/", "\\/"),
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda s: repr(s.encode()),
    "repr inside of a dict": lambda s: str({"password": s}),
    "quote": quote,
    "quote all": lambda s: quote(s, safe=""),
    "quote_plus": quote_plus,
    "quote in lower case": lambda s: "".join(
        c
        if c.isalnum() and c.isascii()
        else "".join(f"%{b:02x}" for b in c.encode())
        if c not in "_.-~"
        else c
        for c in s
    ),
    "shlex": shlex.quote,
    "html": html.escape,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 without padding": lambda s: base64.b64encode(s.encode()).decode().rstrip("="),
    "urlsafe base64": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 in lines": lambda s: base64.encodebytes(s.encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
}


def written(secret: str, way: str) -> tuple[str, str]:
    """The secret as `way` writes it, and what may be left of that."""
    text = WAYS[way](secret)
    return text, mask(text, [secret])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "secret", [ODD, TOKEN, "abcd", "ünïcode", KEY], ids=["odd", "token", "four", "accents", "key"]
)
def test_no_way_of_writing_shows_it(secret: str, way: str) -> None:
    _, left = written(secret, way)
    # Quotes, brackets and keys of the form itself may stay; of the secret, at most a character that others decide too.
    rest = left.replace("[secret]", "").replace("password", "")
    assert "[secret]" in left
    assert len(rest.strip("\"'{}:, b\\\n\tnk")) <= 2, left


@pytest.mark.parametrize("before", ["", "u", "us", "usr", "user:"])
@pytest.mark.parametrize("after", ["", "x", "@h", ":more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_longer_text_does_not_show_it(before: str, after: str, encode: object) -> None:
    text = encode(f"{before}{TOKEN}{after}".encode()).decode()  # type: ignore[operator]
    left = mask(f"Authorization: Basic {text}", [TOKEN])
    around = len(text) - len(TOKEN) * 4 // 3
    assert "[secret]" in left
    assert len(left.removeprefix("Authorization: Basic ").replace("[secret]", "")) <= around + 2


@pytest.mark.parametrize("line", KEY.strip().splitlines())
def test_each_line_of_a_secret_is_one(line: str) -> None:
    assert mask(f"  read: {line}\r\n", [KEY]) == "  read: [secret]\r\n"


def test_lines_that_are_only_signs_are_left() -> None:
    document = json.dumps({"type": "account", "key": "abcdefgh"}, indent=1)
    assert mask('{\n "loss": 1\n}', [document]) == '{\n "loss": 1\n}'
    assert mask('"key": "abcdefgh"', [document]) == "[secret]"


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    assert mask("pin=42, pin: '42' (42) 42", ["42"]) == "pin=[secret], pin: '[secret]' ([secret]) [secret]"
    assert mask("a table at 142 and 420", ["42", "t"]) == "a table at 142 and 420"
    assert mask('{"k": "a"}', ["a"]) == '{"k": "[secret]"}'
    assert mask("+ x+y", ["+"]) == "[secret] x+y"
    assert mask("é été", ["é"]) == "[secret] été"


def test_short_secrets_are_left_in_names() -> None:
    assert mask("run fit-1 of dev", ["1", "dev", "hunter2"], short=False) == "run fit-1 of dev"


def test_overlapping_secrets_are_masked_whole() -> None:
    assert mask("abcdefghi", ["abcdef", "defghi"]) == "[secret]"


def test_a_secret_with_space_around_is_masked_without_it() -> None:
    assert mask("hunter2!", ["hunter2\n"]) == "[secret]!"


def test_blank_secrets_hide_nothing() -> None:
    assert mask("a b\n", ["", " ", "\n"]) == "a b\n"


def streamed(secrets: list[str], pieces: list[bytes]) -> bytes:
    masker = Masker(secrets)
    return b"".join(masker.feed(piece) for piece in pieces) + masker.finish()


@given(
    st.lists(st.text("aä'+", min_size=1, max_size=7), min_size=1, max_size=3),
    st.lists(st.text("aä'+ x", max_size=9), max_size=6),
    st.data(),
)
def test_cuts_change_nothing(secrets: list[str], pieces: list[str], data: st.DataObject) -> None:
    text = b"".join(
        json.dumps(piece).encode() + base64.b64encode(piece.encode()) + piece.encode() for piece in pieces
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert streamed(secrets, parts) == streamed(secrets, [text])


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_known_byte_by_byte(way: str) -> None:
    text, whole = written(ODD, way)
    assert streamed([ODD], [bytes((byte,)) for byte in text.encode()]).decode() == whole


def test_a_line_is_shown_as_soon_as_it_is_whole() -> None:
    masker = Masker([KEY[:40], TOKEN, "a"])
    assert masker.feed(b"epoch 1: a hunter2\n") == b"epoch 1: [secret] hunter2\n"
    assert masker.feed(b"epoch 2\n") == b"epoch 2\n"


def test_what_is_held_back_is_bounded_whatever_comes() -> None:
    masker = Masker(["aaaa", "x" * 1000])
    most = 0
    for _ in range(200):
        masker.feed(b"a" * 500 + b"x" * 500)
        masker.feed(b"x" * 700)
        most = max(most, len(masker._held))
    assert most <= 2 * 1340  # base64 of the longest one


def test_a_secret_of_many_lines_costs_little() -> None:
    masker = Masker(["\n".join(f"line {number} of a long key" for number in range(4000))])
    assert masker.feed(b"line 3999 of a long key\n" * 50) == b"[secret]\n" * 50
    assert len(masker.feed(b"loss 0.25\n" * 5000)) == 50000
