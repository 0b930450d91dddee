"""`python -m load.peers.mockoon PORT FILE`: Mockoon CLI with one route that answers FILE's text, templating off.

`mockoon-cli` must be on the PATH (npm package `@mockoon/cli`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from pathlib import Path

COMMAND = "mockoon-cli"


def environment(port: int, body: str) -> dict[str, object]:
    """A Mockoon environment: `GET /Slot` answers `body`, nothing else is there."""
    route = str(uuid.uuid4())
    response = {
        "uuid": str(uuid.uuid4()),
        "statusCode": 200,
        "headers": [{"key": "Content-Type", "value": "application/fhir+json"}],
        "bodyType": "INLINE",
        "body": body,
        "disableTemplating": True,
        "default": True,
    }
    return {
        "uuid": str(uuid.uuid4()),
        "lastMigration": 33,
        "name": "editor",
        "port": port,
        "hostname": "127.0.0.1",
        "routes": [{"uuid": route, "type": "http", "method": "get", "endpoint": "Slot", "responses": [response]}],
        "rootChildren": [{"type": "route", "uuid": route}],
    }


def main() -> None:
    """Write the environment and replace this process by Mockoon."""
    path = Path(tempfile.mkdtemp(prefix="sas-mockoon-")) / "editor.json"
    path.write_text(json.dumps(environment(int(sys.argv[1]), Path(sys.argv[2]).read_text("utf-8"))), "utf-8")
    os.execvp(
        COMMAND, [COMMAND, "start", "--repair", "--disable-log-to-file", "--disable-admin-api", "--data", str(path)]
    )


if __name__ == "__main__":
    main()
