"""Echoed prompts: their white space and line ends, and where their tokens stand."""

from __future__ import annotations

from itertools import accumulate

from jan_ort_conformance.http.check_tools.answers import bytes_of, joined, readings
from jan_ort_conformance.http.check_tools.asker import COMPLETIONS, GREEDY, PROMPT, Asker, Untold
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import expect

SPACED = ("  two  spaces ", "a\r\nline\r\n\r\nend", "\ta tab\tand\na line \n", "naïve ☃ 𝄞")
NUM_WORDS = 140
FEW = GREEDY | {"max_tokens": 4, "min_tokens": 4}


@check("echo.keeps_white_space", needs=[f"{COMPLETIONS} echo"])
def echo_keeps_white_space(server: Asker) -> None:
    """Spaces, tabs, line ends of both kinds and letters outside ASCII come back as they were sent, in streams too."""
    for prompt in SPACED:
        plain = server.said(COMPLETIONS, **FEW, prompt=prompt, echo=True)
        streamed = joined(server.stream(COMPLETIONS, **FEW, prompt=prompt, echo=True))
        alone = server.said(COMPLETIONS, **FEW, prompt=prompt)
        expect(plain == prompt + alone, f"{prompt!r} is echoed as {plain!r}; without echo {alone!r}")
        expect(streamed == plain, f"{prompt!r} is echoed as {plain!r}, and streamed as {streamed!r}")


@check("echo.offsets_begin_with_the_prompt", needs=[f"{COMPLETIONS} echo", f"{COMPLETIONS} logprobs"])
def echo_offsets_begin_with_the_prompt(server: Asker) -> None:
    """With echo text_offset counts from the prompt's first letter, through the prompt and the text after it."""
    for prompt in (PROMPT, SPACED[0], SPACED[1]):
        (choice,) = server.ask(COMPLETIONS, **FEW, prompt=prompt, echo=True, logprobs=1)["choices"]
        logprobs = choice["logprobs"]
        pieces = [piece.decode(errors="replace") for piece in bytes_of(logprobs)]
        if "".join(pieces) != choice["text"]:
            raise Untold(f"the tokens {pieces} are not the text {choice['text']!r}, of which they have places")
        places = [0, *accumulate(map(len, pieces))][:-1]
        told = f"the tokens {pieces} begin at {places}, and text_offset says {logprobs['text_offset']}"
        # Behind half a character no token has a place of its own.
        num_whole = next((at for at, piece in enumerate(pieces) if "\ufffd" in piece), len(pieces))
        expect(len(logprobs["text_offset"]) == len(pieces), told)
        expect(logprobs["text_offset"][:num_whole] == places[:num_whole], told)


@check("echo.of_token_ids_is_their_text", needs=[f"{COMPLETIONS} echo", f"{COMPLETIONS} prompt"])
def echo_of_token_ids_is_their_text(server: Asker) -> None:
    """A prompt given as token ids is echoed as its text is, alone and in a list."""
    ids, fields = server.token_ids(PROMPT), FEW | {"echo": True}
    plain = server.said(COMPLETIONS, **fields)
    for prompt in (ids, [ids]):
        text = server.said(COMPLETIONS, **fields, prompt=prompt)
        expect(text == plain, f"the token ids {prompt} are echoed as {text!r}, their text as {plain!r}")


@check("text.keeps_line_ends", needs=[f"{COMPLETIONS} grammar"])
def text_keeps_line_ends(server: Asker) -> None:
    """A text with line ends of both kinds, tabs and spaces at its ends is given as it is, plain and streamed."""
    text = " one\r\ntwo\n\tthree \r\n"
    written = text.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
    fields = GREEDY | {"max_tokens": 80, "min_tokens": 0, "grammar": f'root ::= "{written}"'}
    plain, streamed = server.said(COMPLETIONS, **fields), joined(server.stream(COMPLETIONS, **fields))
    expect(plain == text, f"{text!r} is given as {plain!r}")
    expect(streamed == text, f"{text!r} is streamed as {streamed!r}")


@check("echo.of_long_prompts_has_every_token", needs=[f"{COMPLETIONS} echo", f"{COMPLETIONS} logprobs"])
def echo_of_long_prompts_has_every_token(server: Asker) -> None:
    """A prompt of many tokens is echoed with an entry for each of them, which are together its text."""
    length = server.declaration.context_length
    if length is not None and length < 3 * NUM_WORDS:
        raise Untold(f"the context of {length} tokens may not hold a prompt of {NUM_WORDS} words")
    prompt = " ".join(f"{PROMPT} {number}" for number in range(NUM_WORDS // 7))
    answer = server.ask(COMPLETIONS, **FEW, prompt=prompt, echo=True, logprobs=1)
    (choice,), usage = answer["choices"], answer["usage"]
    logprobs = choice["logprobs"]
    count = usage["prompt_tokens"] + usage["completion_tokens"]
    sizes = {name: len(logprobs[name]) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}
    expect(set(sizes.values()) == {count}, f"{count} tokens of prompt and text have {sizes}")
    told = f"the tokens are {logprobs['tokens']}, the text {choice['text']!r}"
    expect(any(each.endswith(choice["text"]) for each in readings(bytes_of(logprobs))), told)
