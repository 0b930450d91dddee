"""Login through Pro Santé Connect, and logout."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.config import SAS_UI
from sandbox.kernel.errors import Issue, PeerError, RequestError
from sandbox.kernel.identifiers import regulator_login
from sandbox.kernel.model import Regulator
from sandbox.sas.console.frame import AGENDA, Frame
from sandbox.web.pages import redirect
from sandbox.web.session import checked_form, local_path, sign_in, sign_out


class LoginPages:
    """The redirections to Pro Santé Connect and back."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def routes(self) -> list[Route]:
        """Open to everyone."""
        return [
            Route("/connexion", self.login, methods=["GET"]),
            Route("/oidc/callback", self.callback, methods=["GET"]),
            Route("/deconnexion", self.logout, methods=["POST"]),
        ]

    async def login(self, request: Request) -> Response:
        """Redirect to Pro Santé Connect; the login returns to `return_to`."""
        return await self._frame.to_psc(request, local_path(request.query_params.get("return_to")))

    async def callback(self, request: Request) -> Response:
        """The return from Pro Santé Connect: a regulator who has an account is logged in (and the editors are informed,
        INT_R02), and so is a practitioner of the SAS agenda; somebody who is both is logged in as both."""
        claims = await self._frame.psc.callback(request)
        regulator = self._regulator(claims.national_id)
        practitioner = self._frame.typing(claims.national_id)
        if regulator is None and practitioner is None:
            detail = f"Aucun compte régulateur ni agenda SAS pour l'identifiant « {claims.national_id} »."
            raise RequestError(403, Issue("forbidden", detail))
        parts = {"practitioner": practitioner.id} if practitioner is not None else {}
        if regulator is None:
            await sign_in(request, **parts)
            return redirect(AGENDA if claims.return_to == "/" else claims.return_to)
        await sign_in(request, regulator=self._frame.accounts.id_of(regulator), **parts)
        await self._frame.accounts.login(regulator)
        return redirect(claims.return_to)

    def _regulator(self, national_id: str) -> Regulator | None:
        found = self._frame.accounts.regulator(national_id)
        return found if found is not None and found.identifier.value == regulator_login(national_id) else None

    async def logout(self, request: Request) -> Response:
        """End the session here, for every copy of its cookie, then at Pro Santé Connect."""
        await checked_form(request)
        await sign_out(request)
        try:
            return redirect(await self._frame.psc.logout_url(self._frame.context.settings.http(SAS_UI, "/")))
        except PeerError:
            return redirect("/")  # the session here is ended; the provider cannot be reached
