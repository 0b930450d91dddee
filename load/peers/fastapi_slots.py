"""`python -m load.peers.fastapi_slots PORT FILE`: GET Slot as FastAPI and fhir.resources would have it.

The bundle is a model: every request builds it from plain values, which validates it, and serialises it. Nothing is
searched; the measurement is the cost of the models alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fhir.resources.R4B.bundle import Bundle

app = FastAPI()
document: dict[str, Any] = {}


@app.get("/Slot")
async def slots() -> Response:
    """The searchset, from values to octets through the models."""
    bundle = Bundle.model_validate(document)
    return Response(bundle.model_dump_json(), media_type="application/fhir+json")


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
