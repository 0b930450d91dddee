"""Error pages: what happened, where, what to do. In French, with the status of the error, never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kernel.errors import (
    DISK_FAULTS,
    Issue,
    PeerError,
    PeerTimeout,
    PeerUnreachable,
    RequestError,
    StoreError,
)
from sandbox.kernel.seldom import Seldom
from sandbox.web.failed_calls import sentence_of
from sandbox.web.gate import challenging
from sandbox.web.pages import Pages

_log = logging.getLogger(__name__)

# status: what happened, what to do
_TEXTS: Mapping[int, tuple[str, str]] = {
    400: ("La demande est incorrecte", "Revenez à la page précédente et recommencez depuis le début."),
    401: ("Connexion nécessaire", "Connectez-vous, puis recommencez."),
    403: ("Accès refusé", "Rechargez la page et recommencez ; si le refus persiste, connectez-vous à nouveau."),
    404: ("Page introuvable", "Vérifiez l'adresse, ou repartez de l'accueil."),
    405: ("Action impossible à cette adresse", "Repartez de l'accueil."),
    409: ("La demande est en conflit avec l'état actuel", "Rechargez la page pour voir l'état actuel."),
    413: ("L'envoi est trop volumineux", "Raccourcissez les textes saisis et recommencez."),
    415: ("Format d'envoi non pris en charge", "Envoyez le formulaire depuis la page."),
    422: ("La demande est refusée par une règle", "Corrigez la saisie et recommencez."),
    429: ("Trop de tentatives", "Patientez une minute, puis recommencez."),
    500: ("Erreur interne du bac à sable", "Recommencez ; si l'erreur persiste, consultez le journal du rôle."),
    502: ("Un autre acteur a mal répondu", "Recommencez ; consultez le journal des échanges pour le détail."),
    503: ("Un autre acteur est injoignable", "Vérifiez qu'il est démarré, puis recommencez."),
    504: ("Un autre acteur n'a pas répondu à temps", "Recommencez dans un instant."),
}

_FULL = (
    "L'enregistrement est impossible pour l'instant",
    "Le disque du bac à sable refuse les écritures. Libérez de la place, puis recommencez.",
)

Handler = Callable[[Request, Any], Response]


def error_handlers(pages: Pages) -> dict[Any, Handler]:
    """Exception handlers for Starlette that answer with pages."""
    refused = Seldom(_log)

    def page(request: Request, status: int, details: tuple[Issue, ...] = ()) -> Response:
        what, remedy = _texts(status)
        return pages.render(
            request, "error.html", status, error_status=status, what=what, remedy=remedy, details=details
        )

    def request_error(request: Request, error: RequestError) -> Response:
        answer = page(request, error.status, error.issues)
        return challenging(answer) if error.status == 401 else answer

    def peer_error(request: Request, error: PeerError) -> Response:
        return page(request, peer_status(error), (Issue("transient", _explain(error)),))

    def store_error(request: Request, error: StoreError) -> Response:
        refused.error("%s %s: %s", request.method, request.url.path, error)
        what, remedy = _FULL
        details = (Issue("transient", f"Motif donné par le système : {error.reason}."),)
        answer = pages.render(request, "error.html", 503, error_status=503, what=what, remedy=remedy, details=details)
        answer.headers["retry-after"] = "5"
        return answer

    def system_error(request: Request, error: OSError) -> Response:
        if error.errno in DISK_FAULTS:
            return store_error(request, StoreError(f"{error.filename or 'disk'}: {error.strerror}"))
        raise error  # a defect like any other

    def http_error(request: Request, error: HTTPException) -> Response:
        answer = page(request, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    def unexpected(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
        return page(request, 500)

    return {
        RequestError: request_error,
        StoreError: store_error,
        OSError: system_error,
        PeerError: peer_error,
        HTTPException: http_error,
        Exception: unexpected,
    }


def peer_status(error: PeerError) -> int:
    """Our answer when one of our own calls failed: 503 no connection, 504 too late, else 502."""
    if isinstance(error, PeerUnreachable):
        return 503
    return 504 if isinstance(error, PeerTimeout) else 502


def _explain(error: PeerError) -> str:
    text = sentence_of(error, f"« {error.peer} »")
    return f"{text[0].upper()}{text[1:]}."


def _texts(status: int) -> tuple[str, str]:
    if status in _TEXTS:
        return _TEXTS[status]
    known = {item.value for item in HTTPStatus}
    return (f"Erreur {status}" if status in known else "Erreur"), "Revenez à la page précédente et recommencez."
