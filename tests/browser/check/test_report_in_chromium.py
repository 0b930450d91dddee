"""The page of an examination in Chromium: no barrier, no sideways scroll, nothing from elsewhere, printed whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.check.editor.accounts import IDS, check
from sandbox.check.reports import page as report_page
from sandbox.check.requirements import EDITOR
from sandbox.check.verdicts import Report, Skipped, Text, Verdicts
from tests.browser.axe import barriers
from tests.browser.people import CHROMIUM, chromium, no_sideways_scroll, picture
from tests.support.checked.regulators import AccountServer, subject_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


async def written(directory: Path) -> Path:
    """The page about an editor with two defects."""
    found, server = Verdicts(), AccountServer("accepts: active", "a held identifier is answered 409")
    async for observed in check(subject_of(server, IDS)):
        found.add(observed)
    for number in range(1, 12):
        found.add(Skipped(f"SOS-{number}", Text("l'éditeur ne déclare pas SOS", "SOS is not declared")))
    verdicts = found.all(EDITOR.values())
    url = "https://agenda.example/fhir"
    report = Report("editor", "agenda", url, "2026-11-23T09:00:00+01:00", 4.2, verdicts, "1.2.0", 142)
    file = directory / "recette.html"
    file.write_bytes(report_page.render(report))
    return file


async def test_the_page_is_read_by_everybody_and_loads_nothing(tmp_path: Path) -> None:
    file = await written(tmp_path)
    found: list[str] = []
    async with chromium() as browser:
        for width, scheme in ((1280, "light"), (360, "dark")):
            page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            await page.goto(file.as_uri())
            for summary in await page.locator("#R02-3 summary, #R02-9 summary").all():
                await summary.click()
            await picture(page, f"check-report-{width}")
            found += await barriers(page)
            assert await no_sideways_scroll(page)
            assert asked == [file.as_uri()]
            await page.close()
    assert found == []


async def test_evidence_is_printed_though_it_is_folded_on_the_screen(tmp_path: Path) -> None:
    file = await written(tmp_path)
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(file.as_uri())
        evidence = page.locator("#R02-3 pre").first
        assert not await evidence.is_visible()
        await page.emulate_media(media="print")
        assert await evidence.is_visible()
        await page.close()
