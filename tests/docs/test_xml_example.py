"""The message in XML that the page for LRM vendors shows is one that the hub takes."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.edxl.codes import XML
from sandbox.edxl.message import read

PAGE = Path(__file__).parents[2] / "docs" / "integrators-lrm.md"


def test_the_acknowledgement_in_xml_is_valid() -> None:
    (example,) = re.findall(r"```xml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    message = read(example.encode(), XML)
    assert message.reference == {"distributionID": "fr.health.test.ptfsas_42", "step": "INTEGRE"}
    assert (message.kind, message.sender) == ("Ack", "fr.health.samu330")
