"""docs/integrateurs-orientations.md: its commands, its program and the documents that it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "integrateurs-orientations.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks in one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


(PROGRAM,) = blocks("python")
(CONFIG,) = blocks("yaml")
COMMANDS = blocks("sh")
_DOCUMENTS: list[dict[str, Any]] = [json.loads(block) for block in blocks("json")]


def shown(resource: str = "") -> list[Any]:
    """The documents of that FHIR type, else those of L02 messages, made comparable."""
    return [alike(each) for each in _DOCUMENTS if each.get("resourceType", "") == resource]


def alike(document: Any) -> Any:
    """The document with the same time at every place and the same UUID of an appointment."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d", "TIME", json.dumps(document))
    return json.loads(re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text))


def command_with(*words: str) -> str:
    """The only block of commands with these words."""
    (found,) = (each for each in COMMANDS if all(word in each for word in words))
    return found
