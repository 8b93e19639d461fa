"""The chunk of a stream that tells the usage, and those that do not."""

from __future__ import annotations

from jan_ort_conformance.http.check_tools.asker import FREE, GENERATING, NAMES, Asker
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import expect


@check("usage.stands_alone_in_streams", needs=[f"{path} stream_options" for path in GENERATING])
def stands_alone_in_streams(server: Asker) -> None:
    """The usage of a stream is in one chunk, the last, which has no choices; each other chunk has some."""
    for path in server.generating():
        chunks = server.stream(path, **FREE, stream_options={"include_usage": True})
        *others, last = chunks
        usages = [chunk["usage"] for chunk in others if chunk.get("usage")]
        expect(bool(last.get("usage")), f"{NAMES[path]}: the last chunk has no usage: {last}")
        expect(not usages, f"{NAMES[path]}: chunks before the last have the usages {usages[:2]}")
        expect(last["choices"] == [], f"{NAMES[path]}: beside the usage there are choices: {last['choices']}")
        reasons = [choice.get("finish_reason") for chunk in others for choice in chunk["choices"]]
        expect([*filter(None, reasons)] != [], f"{NAMES[path]}: no chunk before the usage has a finish_reason")
