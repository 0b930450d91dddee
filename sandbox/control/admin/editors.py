"""The editors: their characters, and whether searches call them."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from sandbox.control.admin.problems import CHANGES, READS, TAKES_BODY
from sandbox.control.admin.requests import body_as, refuse_foreign_page
from sandbox.control.admin.resource import Resource
from sandbox.control.world import enabled_editors
from sandbox.control.world.characters import CharacterRequest, EditorCharacter
from sandbox.control.world.enabled_editors import Interface, InterfaceRequest
from sandbox.kernel.character import QUIRKS
from sandbox.kernel.model import Editor
from sandbox.web.openapi import Endpoint


class EditorList(msgspec.Struct):
    """`known_quirks`: what each quirk does, in French, by name."""

    editors: list[EditorCharacter]
    known_quirks: dict[str, str]


class InterfaceList(msgspec.Struct):
    """All editors, those of vendors too."""

    editors: list[Interface]


class EditorApi(Resource):
    """Endpoints of the characters."""

    @Endpoint(
        "GET",
        "/__admin/editors",
        answer=EditorList,
        failures=READS,
    )
    async def editors(self, request: Request) -> EditorList:
        """Every editor's character: quirks, latency, page size."""
        listed = [self._plane.characters.document(editor) for editor in self._plane.characters.editors.values()]
        return EditorList(listed, dict(QUIRKS))

    @Endpoint(
        "GET",
        "/__admin/editors/{slug}",
        answer=EditorCharacter,
        failures=(*READS, 404),
    )
    async def editor(self, request: Request) -> EditorCharacter:
        """One editor's character."""
        return self._plane.characters.document(self._named(request))

    @Endpoint(
        "PUT",
        "/__admin/editors/{slug}",
        body=CharacterRequest,
        answer=EditorCharacter,
        failures=(*TAKES_BODY, 404),
    )
    async def set_editor(self, request: Request) -> EditorCharacter:
        """Change a character; each member that is sent replaces the whole of what it names."""
        editor = self._named(request)
        await self._plane.characters.put(editor, await body_as(request, CharacterRequest))
        return self._plane.characters.document(editor)

    @Endpoint(
        "DELETE",
        "/__admin/editors/{slug}",
        answer=EditorCharacter,
        failures=(*CHANGES, 404),
    )
    async def reset_editor(self, request: Request) -> EditorCharacter:
        """Put the character back as the persona files have it."""
        refuse_foreign_page(request)
        editor = self._named(request)
        await self._plane.characters.reset(editor)
        return self._plane.characters.document(editor)

    def _named(self, request: Request) -> Editor:
        return self._plane.characters.editor(request.path_params["slug"])


class InterfaceApi(Resource):
    """Endpoints for whether searches call an editor."""

    @Endpoint(
        "GET",
        "/__admin/interfaces",
        answer=InterfaceList,
        failures=READS,
    )
    async def interfaces(self, request: Request) -> InterfaceList:
        """Every editor: does the SAS core ask it for slots."""
        return InterfaceList([*enabled_editors.documents(self._plane.context.population, self._plane.worlds)])

    @Endpoint(
        "PUT",
        "/__admin/interfaces/{slug}",
        body=InterfaceRequest,
        answer=Interface,
        failures=(*TAKES_BODY, 404),
    )
    async def set_interface(self, request: Request) -> Interface:
        """Have an editor asked for slots, or not."""
        editor = enabled_editors.editor(self._plane.context.population, request.path_params["slug"])
        await enabled_editors.put(self._plane.worlds, editor, await body_as(request, InterfaceRequest))
        return enabled_editors.document(editor, self._plane.worlds)
