"""What the classes of endpoints of `__admin` have in common."""

from __future__ import annotations

from sandbox.control.plane import ControlPlane


class Resource:
    """The endpoints of one resource. Handlers read a request, change or ask the control plane, and answer."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
