"""What a page of a vendor is, as far as its words and forms tell: a login, terms of use, a refusal. Pure."""

from __future__ import annotations

import re

from sandbox.kernel.text.words import folded
from sandbox.runner.browser import Form, Page

_SILENT = re.compile(r"(?is)<(script|style|template)\b.*?</\1\s*>|<!--.*?-->")
_TAG = re.compile(r"(?s)<[^>]*>")
_LOGIN = re.compile(r"\b(connexion|connectez|connecter|mot de passe|identifiez|authentification)\b")
_TERMS = re.compile(r"\b(cgu|conditions generales|conditions d utilisation)\b")
_ACCEPT = re.compile(r"\b(accepte|accepter|acceptez)\b")
FEW_WORDS = 25  # a page with scripts and fewer words is built by them


def words_of(page: Page) -> str:
    """The words that the page shows, folded."""
    return folded(_TAG.sub(" ", _SILENT.sub(" ", page.text)))


def is_scripted(page: Page) -> bool:
    """True for a page that scripts build: what it shows cannot be judged without running them."""
    return "<script" in page.text.lower() and len(words_of(page).split()) < FEW_WORDS and not page.forms


def password_form(page: Page) -> Form | None:
    """The form with a field for a password."""
    return next((form for form in page.forms if "password" in form.types.values()), None)


def is_login(page: Page) -> bool:
    """True for a login page: a field for a password, or the words of one."""
    return password_form(page) is not None or _LOGIN.search(words_of(page)) is not None


def terms_form(page: Page) -> Form | None:
    """The form that accepts the terms of use (CGU), where the page asks for that."""
    words = words_of(page)
    if not _TERMS.search(words) or not _ACCEPT.search(words):
        return None
    return next((form for form in page.forms if form.method == "post" and _accepts(form)), None)


def _accepts(form: Form) -> bool:
    """A form that is more than a button to leave: it has a box to tick, or it alone says that it accepts."""
    names = " ".join([*form.fields, *form.boxes, form.action, *(f"{name} {value}" for name, value in form.submits)])
    return bool(form.boxes) or re.search(r"(?i)accept|cgu|terms|conditions", names) is not None


def has_forgotten(page: Page) -> bool:
    """True when the page offers to reset a forgotten password."""
    return re.search(r"\boublie\b", words_of(page)) is not None


def login_fields(form: Form, login: str, password: str) -> dict[str, str]:
    """The values of a login form: the first field for text, and the one for the password."""
    secret = next(name for name, kind in form.types.items() if kind == "password")
    named = next((name for name, kind in form.types.items() if kind in ("text", "email", "input")), "login")
    return {named: login, secret: password}
