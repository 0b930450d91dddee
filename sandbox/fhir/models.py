"""The only module that imports `fhir.resources` (R4B; the types used here are the same in R4 4.0.1).

Loading a model takes half a second and validating a document hundreds of microseconds: the module is imported on first
use, and validates, in a thread, only documents with elements that our own rules do not read.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

from sandbox.kernel.errors import Issue

_MODULES = {"Practitioner": "practitioner", "Appointment": "appointment", "ServiceRequest": "servicerequest"}
_loading = threading.Lock()  # two threads may import the same package for the first time


def check_model(resource_type: str, document: dict[str, Any]) -> list[Issue]:
    """The errors that the FHIR model finds in `document`, as one Issue each, with its FHIRPath. Blocks: call it
    in a thread from the event loop. Raises KeyError for a resource type other than those of _MODULES.
    """
    with _loading:
        from pydantic import ValidationError

        module = importlib.import_module(f"fhir.resources.R4B.{_MODULES[resource_type]}")
        model = getattr(module, resource_type)
    try:
        model.model_validate(document)
    except ValidationError as error:
        return [_issue(resource_type, row) for row in error.errors(include_url=False, include_context=False)]
    return []


def _issue(resource_type: str, row: Any) -> Issue:
    path = resource_type
    for step in row["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return Issue("structure", f"not FHIR R4: {row['msg']}", path)
