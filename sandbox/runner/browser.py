"""A browser as a scenario needs it: cookies, redirects, links and forms of server-rendered pages. No script runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from urllib.parse import urljoin

import aiohttp

from sandbox.kernel.errors import PeerTimeout, PeerUnreachable

TIMEOUT_S = 15.0


@dataclass
class Form:
    """A form with the values that it would send; `action` is absolute. `submits`: (name, value) of its buttons;
    `boxes`: what each of its boxes sends when it is ticked."""

    action: str
    method: str
    attributes: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    submits: list[tuple[str, str]] = field(default_factory=list)
    boxes: dict[str, str] = field(default_factory=dict)


@dataclass
class Element:
    """An element with `data-…` attributes, which pages have for programs. `form`: index of the form around it."""

    tag: str
    attributes: dict[str, str]


@dataclass
class Page:
    """The page that was reached after all redirects."""

    url: str
    status: int
    text: str
    forms: list[Form] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)

    def with_data(self, name: str) -> list[Element]:
        """Elements that carry `data-<name>`."""
        return [element for element in self.elements if f"data-{name}" in element.attributes]

    def form_with(self, *names: str) -> Form | None:
        """The first form that has all these fields."""
        return next((form for form in self.forms if set(names) <= set(form.fields)), None)


class _Parser(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._form: Form | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if any(name.startswith("data-") for name in attributes):
            self._page.elements.append(Element(tag, attributes))
        if tag == "form":
            action = urljoin(self._page.url, attributes.get("action", ""))
            self._form = Form(action, attributes.get("method", "get").lower(), attributes)
            self._page.forms.append(self._form)
        elif self._form is not None:
            self._field(self._form, tag, attributes)

    def _field(self, form: Form, tag: str, attributes: dict[str, str]) -> None:
        name = attributes.get("name", "")
        if tag == "button" or attributes.get("type") == "submit":
            form.submits.append((name, attributes.get("value", "")))
        elif tag == "option" and self._select is not None:
            if "selected" in attributes or not form.fields[self._select]:
                form.fields[self._select] = attributes.get("value", "")
        elif tag in ("input", "textarea", "select") and name:
            self._select = name if tag == "select" else None
            kind = attributes.get("type", tag)
            form.types[name] = kind
            if kind == "checkbox":
                form.boxes[name] = attributes.get("value", "on")
            if kind in ("checkbox", "radio") and "checked" not in attributes:
                form.fields.setdefault(name, "")
            else:
                form.fields[name] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = None


def read_page(page: Page) -> None:
    """Fill in the forms and elements of a page from its text."""
    _Parser(page).feed(page.text)


def password_of(url: str, passwords: Mapping[str, str]) -> str:
    """The password of the site that a URL belongs to; "" where none is required. `passwords`: by URL."""
    return next(
        (word for site, word in passwords.items() if url == site or url.startswith((f"{site}/", f"{site}?"))), ""
    )


class Browser:
    """One person's browser: its cookies go to every port of a host, as in a real one."""

    def __init__(self, passwords: Mapping[str, str] | None = None) -> None:
        self._passwords = passwords or {}  # passwords by the beginning of the URLs that require them
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            headers={"Accept": "text/html", "Accept-Language": "fr"},
        )

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, url: str) -> Page:
        """Open a page. Raises PeerUnreachable, PeerTimeout."""
        return await self._open("GET", url, None)

    async def submit(self, form: Form, **values: str) -> Page:
        """Send a form with `values` replacing those that it holds (unticked boxes are left out)."""
        unticked = {
            name for name, kind in form.types.items() if kind in ("checkbox", "radio") and not form.fields[name]
        }
        data = {name: value for name, value in form.fields.items() if name not in unticked} | values
        if form.method == "get":
            return await self._open("GET", form.action, None, params=data)
        return await self._open("POST", form.action, data)

    async def _open(
        self, method: str, url: str, data: dict[str, str] | None, params: dict[str, str] | None = None
    ) -> Page:
        word = password_of(url, self._passwords)
        headers = {"Authorization": f"Bearer {word}"} if word else {}
        try:
            async with self._session.request(method, url, data=data, params=params, headers=headers) as answer:
                page = Page(str(answer.url), answer.status, await answer.text())
        except TimeoutError:
            raise PeerTimeout(url, f"no page within {TIMEOUT_S:.0f} s") from None
        except aiohttp.ClientError as error:
            raise PeerUnreachable(url, str(error) or type(error).__name__) from None
        read_page(page)
        return page
