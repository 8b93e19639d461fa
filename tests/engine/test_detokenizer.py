"""The detokenizer: tokens in, deltas out; joined they are the text, cut where a stop string is complete first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.engine.detokenizer import Detokenizer, longest_overlap
from jan_ort.ground.shown_tokens import plain, shown, shown_in


class Pieces:
    """A vocabulary of byte strings, by token id."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces

    def token_bytes(self, token_id: int) -> bytes:
        return self.pieces[token_id]

    token_name_bytes = token_bytes


def deltas(pieces: Sequence[bytes | str], stop: Sequence[str] = ()) -> list[str]:
    """Return the delta of every token until the text stops, and what flush adds."""
    tokens = Pieces([piece.encode() if isinstance(piece, str) else piece for piece in pieces])
    detokenizer = Detokenizer(tokens, stop)
    result = []
    for token_id in range(len(pieces)):
        result.append(detokenizer.push(token_id))
        if detokenizer.stopped:
            break
    return [*result, detokenizer.flush()]


def twin(text: str, stop: Sequence[str]) -> str:
    """Read character by character and stop as soon as a stop string is complete; of several, cut the longest."""
    for end in range(len(text) + 1):
        complete = [word for word in stop if text[:end].endswith(word)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


def split(content: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        (["Hel", "lo"], [], ["Hel", "lo", ""]),
        (["Hel", "lo"], ["xyz"], ["Hel", "lo", ""]),
        (["ab", "STOP", "cd"], ["STOP"], ["ab", "", ""]),  # one token
        (["abS", "TO", "Pcd"], ["STOP"], ["ab", "", "", ""]),  # several tokens
        (["STOPab"], ["STOP"], ["", ""]),  # at the start
        (["abS", "T", "ab"], ["STOP"], ["ab", "", "STab", ""]),  # held back, then released
        (["abST"], ["STOP"], ["ab", "ST"]),  # released by the end
        (["aab", "aab", "c"], ["aabc"], ["", "aab", "", ""]),  # begins anew inside itself
        (["aaa", "b"], ["aab"], ["a", "", ""]),
        (["one two"], ["two", "one t"], ["", ""]),  # overlapping: the one complete first
        (["ab", "c"], ["abc", "b"], ["a", ""]),
        (["abc"], ["abc", "b"], ["a", ""]),  # the same, whatever the tokens
        (["abc"], ["c", "bc"], ["a", ""]),  # complete together: the longer
        (["x\n", "\n", "y"], ["\n\n"], ["x", "", ""]),
        (["", "a", ""], ["b"], ["", "a", "", ""]),  # special tokens have no bytes
    ],
)
def test_deltas(pieces: list[str], stop: list[str], expected: list[str]) -> None:
    got = deltas(pieces, stop)

    assert got == expected
    assert "".join(got) == twin("".join(pieces), stop)


@pytest.mark.parametrize("character", ["é", "€", "😀", "e\u0301"])
def test_a_character_is_shown_once_it_is_whole(character: str) -> None:
    content = f"a{character}b".encode()

    for cut in range(1, len(content)):
        got = deltas([content[:cut], content[cut:]])

        assert "".join(got) == f"a{character}b"
        assert "\ufffd" not in got[0]


def test_a_byte_a_token_shows_a_character_with_its_last_byte() -> None:
    pieces = [bytes([byte]) for byte in "😀!".encode()]

    assert deltas(pieces) == ["", "", "", "😀", "!", ""]


def test_half_a_character_at_the_end_becomes_the_replacement_character() -> None:
    assert deltas(["a", "😀".encode()[:3]]) == ["a", "", "\ufffd"]


def test_a_broken_character_is_replaced_as_soon_as_it_is_certain() -> None:
    assert deltas([b"\xf0\x9f", b"a"]) == ["", "\ufffda", ""]


def test_a_stop_string_completed_by_the_replacement_character_stops_at_the_end() -> None:
    detokenizer = Detokenizer(Pieces([b"a\xf0\x9f"]), ["a\ufffd"])

    assert (detokenizer.push(0), detokenizer.flush(), detokenizer.stopped) == ("", "", True)


def test_a_stop_string_of_many_bytes_is_found_across_tokens() -> None:
    content = "ab😀é!cd".encode()

    for cut in range(1, len(content)):
        assert "".join(deltas([content[:cut], content[cut:]], ["😀é"])) == "ab"


@given(
    text=st.text(alphabet="ab\n😀é", max_size=25),
    stop=st.lists(st.text(alphabet="ab\n😀é", min_size=1, max_size=4), max_size=4),
    cuts=st.lists(st.integers(0, 100), max_size=12),
)
def test_joined_deltas_are_the_text_cut_at_the_first_stop(text: str, stop: list[str], cuts: list[int]) -> None:
    got = deltas(split(text.encode(), cuts), stop)

    assert "".join(got) == twin(text, stop)


@given(content=st.binary(max_size=20), cuts=st.lists(st.integers(0, 100), max_size=8))
def test_any_bytes_decode_as_they_do_in_one_piece(content: bytes, cuts: list[int]) -> None:
    assert "".join(deltas(split(content, cuts))) == content.decode("utf-8", "replace")


@given(text=st.text(alphabet="ab", max_size=12), stop=st.text(alphabet="ab", min_size=1, max_size=6))
def test_longest_overlap_is_the_longest_end_that_may_become_the_stop_string(text: str, stop: str) -> None:
    sizes = [size for size in range(len(stop)) if size <= len(text) and text[len(text) - size :] == stop[:size]]

    assert longest_overlap(text, stop) == max(sizes)


@given(text=st.text(alphabet="ab", max_size=20), stop=st.lists(st.text(alphabet="ab", min_size=1, max_size=3)))
def test_no_more_is_held_back_than_may_become_a_stop_string(text: str, stop: list[str]) -> None:
    *shown, held = deltas(list(text), stop)

    assert held == "" or any(word.startswith(held) and word != held for word in stop)
    assert not any(word in "".join(shown) for word in stop)


@pytest.mark.parametrize(
    ("pieces", "stop", "hit"),
    [
        (["ab", "STOP", "cd"], ["x", "STOP"], "STOP"),
        (["one two"], ["two", "one t"], "one t"),  # the one complete first
        (["abc"], ["c", "bc"], "bc"),  # complete together: the longer
        (["abST"], ["STOP"], None),
    ],
)
def test_the_stop_string_that_ended_the_text_is_known(pieces: list[str], stop: list[str], hit: str | None) -> None:
    detokenizer = Detokenizer(Pieces([each.encode() for each in pieces]), stop)

    for token_id in range(len(pieces)):
        detokenizer.push(token_id)

    assert detokenizer.hit == hit


@pytest.mark.parametrize("name", ["<b>", "[END]", "◁b▷"])
def test_the_name_of_a_shown_token_is_told_apart_from_its_letters_and_as_long(name: str) -> None:
    detokenizer = Detokenizer(Pieces([b"\xf0\x9f", name.encode(), name.encode()]), (), {1})

    text = "".join(map(detokenizer.push, range(3)))

    assert text == "�" + shown(name) + name
    assert plain(text) == f"�{name}{name}"
    assert len(shown(name)) == len(name)
    assert (shown(name) == name) is (not name[0].isascii())


def test_a_stop_string_is_found_in_the_name_of_a_shown_token() -> None:
    detokenizer = Detokenizer(Pieces([b"a<", b"<b>", b"c"]), ("<<b",), {1})

    assert [detokenizer.push(at) for at in range(2)] == ["a", ""]
    assert detokenizer.hit == "<<b"


def test_the_longest_name_at_a_place_is_shown() -> None:
    assert shown_in("<b><bc>", ["<b", "<b>"]) == shown("<b>") + shown("<b") + "c>"
