"""SSO-1 to -4 and R02-14 to -16: the pages that a regulator reaches from a slot, with a browser that runs no script.

What needs somebody who logs in uses a demonstration account of the sandbox's Pro Santé Connect: its account at the
editor is created, withdrawn, and left as it was found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sandbox.check.editor.signon.entry import Demonstration, booking_url, demonstration, put_account, with_origin
from sandbox.check.editor.signon.pages import (
    has_forgotten,
    is_login,
    is_scripted,
    login_fields,
    password_form,
    terms_form,
)
from sandbox.check.editor.signon.visitor import Visit, Visitor, origin_of
from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject, skipped
from sandbox.check.verdicts import Fault, Observed, Passed, Skipped, Text
from sandbox.kernel.flows import Flow

IDS = frozenset({"SSO-1", "SSO-2", "SSO-3", "SSO-4", "R02-14", "R02-15", "R02-16"})
_WITH_LOGIN = frozenset({"SSO-3", "SSO-4", "R02-15", "R02-16"})
_KIT = "/realms/sas/protocol/openid-connect/auth"  # what the acceptance kit looks for
_BUILT = Text(
    "la page est construite par des scripts, que l'examen ne joue pas", "scripts, which are not run, make the page"
)


@dataclass(frozen=True, slots=True)
class _Site:
    """The pages that are examined. `providers`: URLs below which the identity provider is; `failed`: requirements
    with a fault so far, for what builds upon them."""

    subject: Subject
    url: str
    providers: tuple[str, ...]
    failed: set[str] = field(default_factory=set)

    def is_provider(self, url: str) -> bool:
        """True for an address of the identity provider."""
        path = url.partition("?")[0]
        return any(url.startswith(f"{each}/") for each in self.providers) or path.endswith(_KIT)


class _Entered(NamedTuple):
    """How a person entered. `terms`: whether terms of use were asked for; `problem`: why the agenda was not reached."""

    visit: Visit
    terms: bool
    problem: Text | None


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """All of them, as far as pages, provider and account are known."""
    async for observed in _all(subject):
        if observed.requirement in subject.wanted:
            yield observed


async def _all(subject: Subject) -> AsyncIterator[Observed]:
    url = await booking_url(subject)
    if not url:
        fr = "aucun créneau réservable n'a été trouvé, dont comment mène aux pages (examples du fichier)"
        for reason in skipped(sorted(IDS), fr, "no bookable slot was found whose comment leads to the pages"):
            yield reason
        return
    site = _Site(subject, url, _providers(subject))
    for part in (_without_origin, _without_session, _with_somebody):
        async for observed in part(site):
            if isinstance(observed, Fault):
                site.failed.add(observed.requirement)
            yield observed


async def _with_somebody(site: _Site) -> AsyncIterator[Observed]:
    """What needs an account, where there is one to be had."""
    if not site.subject.wanted & _WITH_LOGIN:
        return
    person, missing = demonstration(site.subject.target), _missing(site)
    if person is not None and missing is None:
        async for observed in _with_account(site, person):
            yield observed
        return
    reason = missing or Text(
        "le fichier ne donne pas de compte de démonstration (examples.regulators : identifier, email, password)",
        "the file gives no demonstration account (examples.regulators: identifier, email, password)",
    )
    for id in sorted(_WITH_LOGIN):
        yield Skipped(id, reason)


def _providers(subject: Subject) -> tuple[str, ...]:
    psc = subject.target.document.get("psc")
    urls = psc.values() if isinstance(psc, dict) else ()
    return tuple(each.rstrip("/") for each in urls if isinstance(each, str) and each)


def _missing(site: _Site) -> Text | None:
    """Why nobody can log in; None when somebody can."""
    if not site.subject.target.psc:
        return Text("le fichier ne donne pas psc.issuer", "the file does not give psc.issuer")
    if not site.subject.target.speaks(Flow.INT_R02):
        return Text("l'éditeur ne déclare pas le flux INT_R02", "the editor does not declare the flow INT_R02")
    if "SSO-2" in site.failed:
        return Text("personne ne peut se connecter (voir SSO-2)", "nobody can log in (see SSO-2)")
    return None


# ---- without anybody who logs in


async def _without_origin(site: _Site) -> AsyncIterator[Observed]:
    """SSO-1, and R02-14 on the same page."""
    async with Visitor(site.subject.target.ca) as visitor:
        visit = await visitor.visit(site.url)
    yield _ordinary_login(site, "SSO-1", visit)
    yield _forgotten(site, visit)


def _ordinary_login(site: _Site, id: str, visit: Visit) -> Observed:
    """Whether a visit without `origin` ended at the editor's own login page."""
    if to_provider := _towards(site, visit):
        text = Text(
            "sans origin, le navigateur est envoyé au fournisseur d'identité",
            "without origin, the browser is sent to the identity provider",
        )
        return Fault(id, "HTTP Location", text, to_provider.header("location"), "la page de connexion", to_provider)
    page = visit.page
    if not visit.last.answered or (page.status >= 400 and page.status not in (401, 403)):
        text = Text("sans origin, la page ne s'ouvre pas", "without origin, the page does not open")
        return Fault(id, "HTTP status", text, _status(visit.last), "200", visit.last)
    if is_login(page):
        return Passed(id, visit.last)
    if is_scripted(page):
        return Skipped(id, _BUILT)
    text = Text(
        "sans origin, la page n'est pas une page de connexion (« connexion », « mot de passe »)",
        "without origin, the page is no login page",
    )
    return Fault(id, page.url, text, "", "une page de connexion", visit.last)


def _forgotten(site: _Site, visit: Visit) -> Observed:
    if has_forgotten(visit.page) and not _towards(site, visit):
        note = Text(
            "vérifié : la page de connexion offre « mot de passe oublié » ; l'absence d'e-mail ne se voit pas d'ici",
            "examined: the login page offers to reset the password; whether e-mails are sent is not seen from here",
        )
        return Passed("R02-14", visit.last, note)
    if password_form(visit.page) is None or _towards(site, visit):
        fr = "la page ouverte sans origin n'a pas de champ de mot de passe où chercher « mot de passe oublié »"
        return Skipped("R02-14", Text(fr, "the page without origin has no field for a password"))
    text = Text(
        "la page de connexion n'offre pas « mot de passe oublié »",
        "the login page does not offer to reset the password",
    )
    return Fault("R02-14", visit.page.url, text, "", "« mot de passe oublié »", visit.last)


async def _without_session(site: _Site) -> AsyncIterator[Observed]:
    """SSO-2."""
    async with Visitor(site.subject.target.ca) as visitor:
        visit = await visitor.visit(with_origin(site.url))
    hop, last = _towards(site, visit), visit.last
    expected = site.providers[-1] if site.providers else f"…{_KIT}"
    if hop is not None and last.status >= 400:
        text = Text(
            "le fournisseur d'identité refuse la demande (client ou adresse de retour non déclarés ?)",
            "the identity provider refuses the request (client or redirect address not declared?)",
        )
        yield Fault("SSO-2", "HTTP Location", text, _status(last), "200", last)
    elif hop is not None:
        yield Passed("SSO-2", hop)
    elif is_scripted(visit.page):
        yield Skipped("SSO-2", _BUILT)
    else:
        text = Text(
            "avec origin et sans session, le navigateur n'est pas envoyé au fournisseur d'identité",
            "with origin and without session, the browser is not sent to the identity provider",
        )
        yield Fault("SSO-2", "HTTP Location", text, f"{_status(last)} {visit.page.url}", expected, last)


def _towards(site: _Site, visit: Visit) -> Exchange | None:
    """The redirect that led to the identity provider, None without one."""
    return next((hop for hop in visit.hops if site.is_provider(hop.header("location"))), None)


def _status(exchange: Exchange) -> str:
    return str(exchange.status) if exchange.answered else f"{exchange.failure}: {exchange.why}"


# ---- with somebody who logs in


async def _with_account(site: _Site, person: Demonstration) -> AsyncIterator[Observed]:
    """SSO-3, SSO-4, R02-15, R02-16; the account is as before afterwards."""
    async with Visitor(site.subject.target.ca) as visitor:
        stranger = await _enter(site, visitor, person, terms=False)
        made = await put_account(site.subject, person.account)
        if made.status not in (200, 201):
            fr = f"le compte de démonstration n'a pu être créé par INT_R02 ({_status(made)})"
            for reason in skipped(sorted(_WITH_LOGIN), fr, f"INT_R02 did not create the account ({_status(made)})"):
                yield reason
            return
        is_new = made.status == 201
        was_active = not is_new and stranger.visit.last.status != 403
        try:
            if is_new:
                yield _refusal("inconnu", "unknown", stranger)
            async for observed in _active(site, visitor, person, is_new):
                yield observed
            async for observed in _inactive(site, visitor, person):
                yield observed
        finally:
            await put_account(site.subject, replace(person.account, active=was_active))


async def _active(site: _Site, visitor: Visitor, person: Demonstration, is_new: bool) -> AsyncIterator[Observed]:
    """The first entry, then another with a session at the provider only, then without `origin`."""
    visitor.forget(origin_of(site.url))
    first = await _enter(site, visitor, person)
    visitor.forget(origin_of(site.url))
    second = await _enter(site, visitor, person, login=False)
    yield _landed(first if first.problem is not None else second)
    for observed in _terms(first, second, is_new):
        yield observed
    if "SSO-1" in site.failed:
        yield Skipped("R02-15", Text("la page sans origin est en défaut (voir SSO-1)", "see SSO-1"))
        return
    visitor.forget(origin_of(site.url))
    yield _ordinary_login(site, "R02-15", await visitor.visit(site.url))


def _landed(entered: _Entered) -> Observed:
    if entered.problem is None:
        return Passed("SSO-3", entered.visit.last)
    if entered.problem is _BUILT:
        return Skipped("SSO-3", _BUILT)
    last = entered.visit.last
    return Fault("SSO-3", "HTTP", entered.problem, f"{_status(last)} {last.url}", "la page de l'agenda, 200", last)


def _terms(first: _Entered, second: _Entered, is_new: bool) -> Iterator[Observed]:
    last = first.visit.last
    if first.problem is not None:
        yield Skipped(
            "R02-16", Text("l'agenda n'a pas été atteint (voir SSO-3)", "the agenda was not reached (see SSO-3)")
        )
    elif first.terms and second.terms:
        text = Text("les CGU sont demandées une seconde fois", "the terms of use are asked for a second time")
        yield Fault("R02-16", second.visit.page.url, text, "", "une seule fois", second.visit.last)
    elif first.terms:
        yield Passed("R02-16", last)
    elif is_new:
        text = Text("un nouveau compte entre sans accepter les CGU", "a new account enters without accepting the terms")
        yield Fault("R02-16", first.visit.page.url, text, "", "les CGU, à la première entrée", last)
    else:
        fr = "le compte de démonstration existait : il a pu accepter les CGU auparavant"
        yield Skipped("R02-16", Text(fr, "the demonstration account existed: it may have accepted the terms before"))


async def _inactive(site: _Site, visitor: Visitor, person: Demonstration) -> AsyncIterator[Observed]:
    """SSO-4 for a withdrawn account: in the session that is open, and at a new entry."""
    visitor.forget(origin_of(site.url))
    entered = await _enter(site, visitor, person)
    off = await put_account(site.subject, replace(person.account, active=False))
    if off.status != 200:
        fr = f"le retrait du compte de démonstration a reçu {_status(off)} (voir R02-12)"
        yield Skipped("SSO-4", Text(fr, f"the withdrawal was answered {_status(off)} (see R02-12)"))
        return
    if entered.problem is None:
        yield _refusal(
            "retiré, dont la session est ouverte,",
            "withdrawn, with an open session,",
            await _enter(site, visitor, person),
        )
    visitor.forget(origin_of(site.url))
    yield _refusal("inactif", "inactive", await _enter(site, visitor, person))


def _refusal(fr: str, en: str, entered: _Entered) -> Observed:
    visit = entered.visit
    if visit.last.status == 403:
        return Passed("SSO-4", visit.last)
    text = Text(
        f"un compte {fr} n'est pas arrêté par une page d'erreur 403", f"an account {en} is not stopped by a page 403"
    )
    tolerated = 400 <= visit.last.status < 500
    return Fault("SSO-4", "HTTP status", text, _status(visit.last), "403", visit.last, tolerated=tolerated)


async def _enter(
    site: _Site, visitor: Visitor, person: Demonstration, *, login: bool = True, terms: bool = True
) -> _Entered:
    """Follow the link of a slot, logging in and accepting the terms where that is asked."""
    visit = await visitor.visit(with_origin(site.url))
    form = password_form(visit.page)
    if form is not None and site.is_provider(visit.page.url):
        if not login:
            text = Text("une nouvelle connexion est demandée", "another login is asked for")
            return _Entered(visit, False, text)
        visit = await visitor.submit(form, login_fields(form, person.login, person.password))
    asked = terms_form(visit.page) if visit.page.status < 400 else None
    if asked is not None and terms:
        visit = await visitor.submit(asked, asked.boxes)
    return _Entered(visit, asked is not None, _problem(site, visit))


def _problem(site: _Site, visit: Visit) -> Text | None:
    """Why a page is not the agenda; None when nothing speaks against it."""
    page = visit.page
    if not 200 <= page.status < 300:
        return Text("la page de l'agenda ne s'ouvre pas", "the page of the agenda does not open")
    if site.is_provider(page.url):
        return Text("le navigateur reste chez le fournisseur d'identité", "the browser stays at the identity provider")
    if password_form(page) is not None:
        return Text("l'éditeur demande un mot de passe de plus", "the editor asks for another password")
    return _BUILT if is_scripted(page) else None
