"""The control plane of the sandbox that runs on a data directory, for commands."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from sandbox.config import Settings
from sandbox.kernel.errors import JsonError, NobodyAnswers, UsageError
from sandbox.kernel.text.json_input import Limits, read_json

_TIMEOUT = 10.0  # s
_ANSWER = Limits(octets=64 << 20, elements=1_000_000)


class Running:
    """`document`: its endpoints.json, certificate paths as the file has them. Raises NobodyAnswers."""

    def __init__(self, settings: Settings) -> None:
        path = settings.data / "endpoints.json"
        try:
            self.document: dict[str, Any] = read_json(path.read_bytes(), _ANSWER)
        except FileNotFoundError:
            raise NobodyAnswers(f"no sandbox runs on {settings.data}: start it first (sas-sandbox up)") from None
        except (OSError, JsonError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None

    def get(self, path: str) -> Any:
        """GET of the admin API. Raises NobodyAnswers, UsageError."""
        return self._ask(self._request(path))

    def post(self, path: str, body: Any) -> Any:
        """POST of JSON. Raises NobodyAnswers, UsageError with what the control plane says."""
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self._ask(self._request(path, data=data, headers=headers))

    def delete(self, path: str) -> Any:
        """DELETE. Raises NobodyAnswers, UsageError with what the control plane says."""
        return self._ask(self._request(path, method="DELETE"))

    def _request(self, path: str, **options: Any) -> urllib.request.Request:
        """A call of the admin API, with its token where it asks for one."""
        request = urllib.request.Request(self.document["control"]["api"] + path, **options)
        if token := self.document["control"].get("token"):
            request.add_header("Authorization", f"Bearer {token}")
        return request

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                return read_json(answer.read(), _ANSWER)
        except urllib.error.HTTPError as error:
            raise UsageError(_title(error)) from None
        except JsonError as error:
            raise UsageError(f"{request.full_url} does not answer as a sandbox does: {error}") from None
        except OSError as error:
            url = self.document["control"]["api"]
            raise NobodyAnswers(f"nobody answers at {url}: {getattr(error, 'reason', error)}") from None


def _title(error: urllib.error.HTTPError) -> str:
    try:
        return str(read_json(error.read(), _ANSWER)["title"])
    except (JsonError, LookupError, TypeError, OSError):
        return f"the control plane answers {error.code} {error.reason}"
