"""A run as junit.xml, which CI systems read."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.verdict import Verdict

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Results) -> str:
    """Return the run with one test case per case: FAIL and LIES are failures, SKIP and UNSUPPORTED are skipped."""
    counts = results.counts()
    numbers = {
        "tests": str(len(results.cases)),
        "failures": str(counts[Verdict.FAIL] + counts[Verdict.LIES]),
        "errors": "0",
        "skipped": str(counts[Verdict.SKIP] + counts[Verdict.UNSUPPORTED]),
        "time": f"{results.duration_s:.3f}",
    }
    root = ET.Element("testsuites", numbers)
    suite = ET.SubElement(root, "testsuite", {"name": _clean(f"jan-ort {results.kit} {results.subject}")} | numbers)
    properties = ET.SubElement(suite, "properties")
    for name, value in results.about.items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    for case in results.cases:
        _add(suite, results.kit, case)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add(suite: ET.Element, kit: str, case: Case) -> None:
    theme, _, name = case.id.partition(".")
    names = {"classname": f"jan_ort.{kit}.{theme}", "name": _clean(name or theme), "time": f"{case.duration_s:.4f}"}
    element = ET.SubElement(suite, "testcase", names)
    told = {"message": _clean(case.detail[:500]), "type": case.verdict.value}
    if case.verdict.is_bad:
        ET.SubElement(element, "failure", told).text = _clean(f"{case.detail}\n\n{case.repeat}")
    elif case.verdict is not Verdict.PASS:
        ET.SubElement(element, "skipped", told)


def _clean(text: str) -> str:
    """Replace the characters that XML 1.0 cannot hold, which fuzzed bodies are full of."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
