"""Each editor has its own colours and name on its pages, and they can be read."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from sandbox.config import Settings, load_settings
from sandbox.kernel.model import Editor
from sandbox.population.load import load_population
from sandbox.web.assets import contrast, theme_assets
from tests.support.editors.running_editor import LocalEditor

LEAST = 4.5  # WCAG 2.1, 1.4.3: text
PRESETS = ("minimal", "demo", "national")


def editors(preset: str) -> list[Editor]:
    settings: Settings = load_settings({"preset": preset}, {})
    return list(load_population(settings).editors.values())


def theme(editor: Editor) -> dict[str, str]:
    """The custom properties of an editor's stylesheet."""
    style = theme_assets(editor.colour)["theme.css"].body.decode()
    return dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6})", style))


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_written_in_an_editors_colours_can_be_read(preset: str):
    for editor in editors(preset):
        colours = theme(editor)
        strong, soft = colours["--colour-strong"], colours["--colour-soft"]
        for ink, ground in ((strong, "#ffffff"), ("#ffffff", strong), (strong, soft), (strong, "#f3f5f8")):
            assert contrast(ink, ground) >= LEAST, (editor.slug, ink, ground)


@pytest.mark.parametrize("preset", PRESETS)
def test_no_two_editors_look_or_are_called_alike(preset: str):
    everybody = editors(preset)
    assert len({editor.name for editor in everybody}) == len(everybody)
    for one, other in combinations(everybody, 2):
        assert theme(one)["--colour-strong"] != theme(other)["--colour-strong"], (one.slug, other.slug)


async def test_a_page_carries_the_editors_name_and_its_own_stylesheet(editor: LocalEditor):
    browser = editor.browser()
    page = await browser.get("/connexion")
    assert "<title>Connexion – Agenda Azur</title>" in page.text
    sheet = re.search(r'href="/agenda-azur(/static/[0-9a-f]+/theme\.css)"', page.text)
    assert sheet
    assert editor.running.editor.colour in (await browser.get(sheet[1])).text
    own = re.search(r'href="/agenda-azur(/static/[0-9a-f]+/editor\.css)"', page.text)
    assert own
    assert (await browser.get(own[1])).headers["content-type"].startswith("text/css")
