"""What the FHIR port does about requests to communities (flow PDM): taken in, withdrawn, read.

POST /<slug>/fhir/ServiceRequest                 a request: 201, 200 when it is repeated
PUT  /<slug>/fhir/ServiceRequest?identifier=…    its withdrawal (status revoked): 200
GET  /<slug>/fhir/ServiceRequest/<id>            as it was made
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from sandbox.editor.communities.ledger import RequestLedger
from sandbox.editor.communities.requests import CommunityRequest
from sandbox.editor.fhir.server import FhirServer
from sandbox.fhir.appointment import parse_conditional
from sandbox.fhir.service_request import parse_request, render_request
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.flows import Flow
from sandbox.net.http.body import read_body
from sandbox.net.http.conditions import weak_etag
from sandbox.net.http.edge import Note
from sandbox.net.http.fhir_http import (
    fhir_response,
    not_allowed,
    not_found,
    parse_body,
    query_of,
    read_response,
    wants_representation,
)


async def answer_requests(request: Request, server: FhirServer, ledger: RequestLedger, rest: Sequence[str]) -> Response:
    """The answer; `rest`: the parts of the path after `ServiceRequest`. Raises RequestError."""
    allowed = ("GET",) if rest else ("POST", "PUT")
    if request.method not in allowed:
        raise not_allowed(request.method, "/".join(("ServiceRequest", *rest)), *allowed)
    if not server.editor.speaks(Flow.PDM):
        detail = f"{server.editor.name} is not interfaced for {Flow.PDM}"
        raise RequestError(404, Issue("not-supported", detail))
    return _read(request, server, ledger, "/".join(rest)) if rest else await _take(request, server, ledger)


async def _take(request: Request, server: FhirServer, ledger: RequestLedger) -> Response:
    """POST and PUT; what was accepted is durable before the answer leaves."""
    condition = parse_conditional(query_of(request)) if request.method == "PUT" else None
    wanted = await parse_body(parse_request, await read_body(request))
    note: Note | None = request.scope.get("exchange")
    if note is not None:
        note.ref = wanted.identifier.value
    if condition is None:
        taken, created = await ledger.receive(wanted)
    else:
        if not condition.matches(wanted.identifier):
            detail = f"the query does not look for {wanted.identifier.key}, which the body carries"
            raise RequestError(422, Issue("business-rule", detail, "ServiceRequest.identifier[0]"))
        taken, created = await ledger.withdraw(wanted), False
    rendered = _rendered(server, taken)
    headers = {"Location": f"{server.fhir_base}/ServiceRequest/{taken.id}", "ETag": weak_etag(rendered)}
    return fhir_response(rendered if wants_representation(request) else b"", 201 if created else 200, headers)


def _read(request: Request, server: FhirServer, ledger: RequestLedger, id: str) -> Response:
    found = ledger.get(id)
    if found is None:
        raise not_found(f"no ServiceRequest with id '{id}'")
    body = _rendered(server, found)
    return read_response(request, body, weak_etag(body))


def _rendered(server: FhirServer, found: CommunityRequest) -> bytes:
    return render_request(found.asked(server.editor.system), id=found.id)
