"""The pages of one LRM, under `/<slug>/`. No login: a training console on loopback.

    /                     the day in numbers, orientations that wait, case files to attach them to; live
    /orientations         all of them; /orientations/<appointmentId> one, its messages, where it may belong
    /dossiers             case files, searched; /dossiers/<number> one: call, contextual call, orientations; live
    /messages             the history of what was received, `.ack` and `.info`, what is held back, how it behaves; live

Whatever changes something is a posted form, so that every page works by keyboard and without script; the script only
adds drag and drop and the live view.
"""

from __future__ import annotations

from starlette.types import ASGIApp

from sandbox.lrm.console.api import Api
from sandbox.lrm.console.case_file_pages import CaseFilePages
from sandbox.lrm.console.frame import Frame
from sandbox.lrm.console.message_pages import MessagePages
from sandbox.lrm.console.orientation_pages import OrientationPages
from sandbox.web.console import Access, console

PASSWORD_WANTED = "Le mot de passe de ce LRM est demandé (lrms[].password de endpoints.json), avec n'importe quel nom."


def application(frame: Frame) -> ASGIApp:
    """The ASGI application of one LRM, to be mounted under `/<slug>`."""
    samu = frame.territory.samu
    routes = [
        *OrientationPages(frame).routes(),
        *CaseFilePages(frame).routes(),
        *MessagePages(frame).routes(),
        *Api(frame.ledger, frame.consumer).routes(),
    ]
    return console(
        frame.context,
        frame.pages,
        routes,
        role=f"lrm-{samu}",
        access=Access(passwords=frame.context.lrm_passwords([samu]), wanted=PASSWORD_WANTED),
    )
