"""Static files of a console: read once, served from memory under URLs that carry a digest of their content.

A URL never changes its content, so browsers may keep it for ever. Each console's colour is a stylesheet
(`theme.css`) and an icon made from it, because the content security policy forbids inline styles.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file. `digest` is a short hash of `body` and part of the URL."""

    body: bytes
    media_type: str
    digest: str


def make_asset(name: str, body: bytes) -> Asset:
    """An asset from its content; the media type follows the suffix of `name`."""
    return Asset(body, MEDIA_TYPES[Path(name).suffix], hashlib.sha256(body).hexdigest()[:12])


def package_folder(package: str, folder: str) -> Path:
    """`templates` or `static` of an installed package (it need not exist)."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no package {package}")
    return Path(spec.origin).parent / folder


@lru_cache(maxsize=64)
def package_assets(package: str) -> Mapping[str, Asset]:
    """The files of a package's `static` folder by name."""
    folder = package_folder(package, "static")
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {file.name: make_asset(file.name, file.read_bytes()) for file in files if file.suffix in MEDIA_TYPES}


def theme_assets(colour: str) -> Mapping[str, Asset]:
    """`theme.css` and `icon.svg` in a console's colour (`#rrggbb`; ValueError otherwise)."""
    strong = readable(colour)
    style = (
        f":root {{ --colour: {colour}; --colour-strong: {strong}; "
        f"--colour-soft: {mix(colour, '#ffffff', 0.9)}; --colour-line: {mix(colour, '#ffffff', 0.65)}; }}\n"
    )
    icon = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="8" fill="{strong}"/>'
        '<path d="M13 7h6v6h6v6h-6v6h-6v-6H7v-6h6z" fill="#fff"/></svg>'
    )
    return {
        "theme.css": make_asset("theme.css", style.encode()),
        "icon.svg": make_asset("icon.svg", icon.encode()),
    }


def mix(colour: str, other: str, share: float) -> str:
    """`colour` with `share` (0 to 1) of `other` in it."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def contrast(one: str, two: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    dark, light = sorted((_luminance(one), _luminance(two)))
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str) -> str:
    """`colour`, darkened until it can be read on white and on its own soft shade (contrast 4.5, WCAG AA)."""
    shades = (mix(colour, "#000000", step / 20) for step in range(21))  # the last one is black
    return next(shade for shade in shades if contrast(shade, "#ffffff") >= 5.4)


def _channels(colour: str) -> tuple[int, int, int]:
    if not _HEX.fullmatch(colour):
        raise ValueError(f"colour {colour!r} is not #rrggbb")
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
