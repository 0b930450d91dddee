"""Static files and colours."""

from __future__ import annotations

import pytest

from sandbox.web.assets import contrast, make_asset, mix, package_assets, package_folder, readable, theme_assets


@pytest.mark.parametrize("colour", ["#ffffff", "#ffcc00", "#000000", "#335577", "#00ff00"])
def test_white_text_is_readable_on_every_console_s_colour(colour: str) -> None:
    assert contrast(readable(colour), "#ffffff") >= 4.5


def test_dark_colours_stay_as_they_are() -> None:
    assert readable("#335577") == "#335577"


def test_contrast_of_black_and_white_is_the_greatest() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_mixing_goes_from_one_colour_to_the_other() -> None:
    assert mix("#000000", "#ffffff", 0.5) == "#808080"
    assert mix("#123456", "#ffffff", 0) == "#123456"


@pytest.mark.parametrize("colour", ["red", "#fff", "#12345g", "#335577; }"])
def test_other_colour_forms_are_refused(colour: str) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        theme_assets(colour)


def test_digest_follows_the_content() -> None:
    assert make_asset("a.css", b"1").digest != make_asset("a.css", b"2").digest
    assert theme_assets("#335577")["theme.css"].digest != theme_assets("#335578")["theme.css"].digest


def test_shared_stylesheet_is_found() -> None:
    assert package_assets("sandbox.web")["site.css"].media_type.startswith("text/css")


def test_package_without_static_files_has_none() -> None:
    assert package_assets("sandbox.kernel") == {}


def test_unknown_package_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        package_folder("sandbox_nowhere", "static")
