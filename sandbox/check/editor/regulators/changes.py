"""R02-4 to -9 and -12: what an update changes, whom it finds or creates; identifiers that are released or held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from sandbox.check.editor.regulators.creation import ACTIVE, CREATED, EMAIL, FAMILY, GIVEN, IDENTIFIER, different
from sandbox.check.editor.regulators.desk import (
    Desk,
    Unprepared,
    account_id,
    answer_of,
    is_accepted,
    is_refused,
    judged,
    location_faults,
)
from sandbox.check.editor.regulators.people import with_identifier
from sandbox.check.evidence import Exchange
from sandbox.check.verdicts import Fault, Observed, Text
from sandbox.fhir.practitioner import RegulatorAccount
from sandbox.kernel.identifiers import Identifier

UPDATED = "200, même Location"


async def settle(desk: Desk) -> AsyncIterator[Observed]:
    """R02-4, first of all: a PUT that changes the name answers 200 and the Location of the creation."""
    account, before = await desk.created()
    after = await desk.put(replace(account, given=("Autre",)))
    text = Text("un PUT du compte n'est pas répondu par 200", "a PUT of the account is not answered 200")
    yield judged("R02-4", after, after.status == 200, "200", text)
    if not is_accepted(after):
        return
    for fault in location_faults("R02-4", after):
        yield fault
    if desk.moved(before, after):
        desk.stable = False
        text = Text("la Location d'un compte change", "the Location of an account changes")
        yield Fault("R02-4", "HTTP Location", text, account_id(after), account_id(before), after)


async def updates(desk: Desk) -> AsyncIterator[Observed]:
    """R02-4: each element alone; the e-mail that was left is free."""
    account, before = await desk.created()
    left = account.email
    for element, changed, words in (
        (FAMILY, replace(account, family="CONTROLE-NOUVEAU"), Text("du nom de famille", "of the family name")),
        (GIVEN, replace(account, given=("Nouvel",)), Text("du prénom", "of the given name")),
        (EMAIL, replace(account, email=desk.people.email()), Text("de l'e-mail", "of the e-mail")),
    ):
        after = await desk.put(changed)
        text = Text(f"le changement {words.fr} échoue", f"a change {words.en} fails")
        yield judged("R02-4", after, is_accepted(after), "200", text)
        if not is_accepted(after):
            return
        for fault in _elsewhere(desk, "R02-4", before, after):
            yield fault
        for fault in different("R02-4", changed, await desk.read(after), after, [element]):
            yield fault
    heir = await desk.post(replace(desk.people.person(), email=left))
    text = Text("l'e-mail quitté est encore tenu par le compte", "the account still holds the e-mail that it left")
    yield judged("R02-4", heir, is_accepted(heir), CREATED, text)


async def identifiers(desk: Desk) -> AsyncIterator[Observed]:
    """R02-5: technical to national, another national one, back to the technical one.

    After each change the e-mail changes too, named by the new identifier alone: so it must be the one that is kept.
    """
    account, before = await desk.created()
    technical = account.identifiers[0]
    national, other = desk.people.national(), desk.people.national()
    for held, new, words in (
        (technical, national, Text("technique en national", "technical to national")),
        (national, other, Text("national en un autre national", "national to another national one")),
        (other, technical, Text("national en technique", "national to technical")),
    ):
        account = with_identifier(account, new)
        text = Text(f"le passage d'un identifiant {words.fr} échoue", f"the change of an identifier, {words.en}, fails")
        after = await desk.put(account, held)
        yield judged("R02-5", after, _kept(desk, before, after), UPDATED, text)
        if not is_accepted(after):
            return
        account = replace(account, email=desk.people.email())
        again = await desk.put(account)
        text = Text(
            f"après le passage d'un identifiant {words.fr}, le nouveau n'est pas connu",
            f"after the change of an identifier, {words.en}, the new one is not known",
        )
        yield judged("R02-5", again, _kept(desk, before, again), UPDATED, text)
        for fault in different("R02-5", account, await desk.read(before), again, [IDENTIFIER]):
            yield fault


async def finding(desk: Desk) -> AsyncIterator[Observed]:
    """R02-6: by the body's identifier, with another e-mail; by the e-mail, with another identifier."""
    account, before = await desk.created()
    by_body = replace(account, email=desk.people.email())
    after = await desk.put(by_body, desk.people.technical())
    yield _found(desk, before, after, Text("l'identifiant du corps", "the identifier of the body"))
    account, before = await desk.created()
    account = await _renamed(desk, account, desk.people.technical())
    by_email = with_identifier(account, desk.people.technical())
    after = await desk.put(by_email, desk.people.technical())
    yield _found(desk, before, after, Text("l'e-mail", "the e-mail"))


async def _renamed(desk: Desk, account: RegulatorAccount, new: Identifier) -> RegulatorAccount:
    """The account with another identifier, for a check that builds upon such a change. Raises Unprepared."""
    found = with_identifier(account, new)
    exchange = await desk.put(found, account.identifiers[0])
    if not is_accepted(exchange):
        raise Unprepared(
            f"le changement préalable d'un identifiant a reçu {answer_of(exchange)} (voir R02-5)",
            f"the change of an identifier that this builds upon was answered {answer_of(exchange)} (see R02-5)",
        )
    return found


def _kept(desk: Desk, before: Exchange, after: Exchange) -> bool:
    """True when an update was accepted and, as far as can be seen, changed the account of that earlier answer."""
    return is_accepted(after) and after.status != 201 and not desk.moved(before, after)


def _found(desk: Desk, before: Exchange, after: Exchange, words: Text) -> Observed:
    text = Text(f"la personne n'est pas trouvée par {words.fr}", f"the person is not found by {words.en}")
    return judged("R02-6", after, _kept(desk, before, after), UPDATED, text)


async def unknown(desk: Desk) -> AsyncIterator[Observed]:
    """R02-7: an unknown person, active or not; the same call again."""
    account = desk.people.person()
    first = await desk.put(account)
    text = Text("un PUT d'une personne inconnue ne crée pas le compte", "a PUT of an unknown person creates no account")
    yield judged("R02-7", first, first.status in (200, 201), "201", text)
    if is_accepted(first):
        for fault in location_faults("R02-7", first):
            yield fault
        again = await desk.put(account)
        text = Text("le même PUT, répété, échoue ou crée un autre compte", "the same PUT again fails, or creates again")
        yield judged("R02-7", again, _kept(desk, first, again), UPDATED, text)
    inactive = replace(desk.people.person(), active=False)
    answer = await desk.put(inactive)
    text = Text(
        "un PUT d'une personne inconnue avec active=false échoue", "a PUT of an unknown person, inactive, fails"
    )
    yield judged("R02-7", answer, answer.status in (200, 201), "201", text)
    if is_accepted(answer):
        for fault in different("R02-7", inactive, await desk.read(answer), answer, [ACTIVE]):
            yield fault


async def released(desk: Desk) -> AsyncIterator[Observed]:
    """R02-8: a national id of an inactive account, given to an account by PUT, and to a new one by POST."""
    text = Text(
        "un identifiant national libéré ne peut être redonné", "a national id that was released cannot be given"
    )
    former, _ = await desk.created(desk.people.national())
    heir, before = await desk.created()
    heir = await _renamed(desk, heir, desk.people.national())
    await desk.withdrawn(former)
    after = await desk.put(with_identifier(heir, former.identifiers[0]), heir.identifiers[0])
    yield judged(
        "R02-8", after, _kept(desk, before, after), f"PUT : {UPDATED}", Text(f"{text.fr} par PUT", f"{text.en} by PUT")
    )
    former, _ = await desk.created(desk.people.national())
    await desk.withdrawn(former)
    made = await desk.post(desk.people.person(*former.identifiers))
    yield judged("R02-8", made, is_accepted(made), "POST : 201", Text(f"{text.fr} par POST", f"{text.en} by POST"))


async def held(desk: Desk) -> AsyncIterator[Observed]:
    """R02-9: a national id of an active account is not given away, and stays where it was."""
    holder, before = await desk.created(desk.people.national())
    other, _ = await desk.created()
    after = await desk.put(with_identifier(other, holder.identifiers[0]), other.identifiers[0])
    if is_refused(after) and after.status != 422:
        text = Text("le refus n'est pas un 422", "the refusal is no 422")
        yield Fault("R02-9", "HTTP status", text, answer_of(after), "422", after, tolerated=True)
    else:
        text = Text(
            "un identifiant national tenu par un compte actif est donné à un autre",
            "a national id held by an active account is given to another",
        )
        yield judged("R02-9", after, after.status == 422, "422", text)
    if not is_refused(after):
        return
    kept = await desk.put(holder)
    if is_accepted(kept):
        text = Text(
            "l'identifiant refusé a changé de compte", "the identifier that was refused went to another account"
        )
        yield judged("R02-9", kept, not desk.moved(before, kept), UPDATED, text)


async def withdrawal(desk: Desk) -> AsyncIterator[Observed]:
    """R02-12: inactive, then active again; always the same account."""
    account, before = await desk.created()
    off = replace(account, active=False)
    for sent, words in (
        (off, Text("le retrait (active=false)", "the withdrawal (active=false)")),
        (account, Text("le retour (active=true)", "the return (active=true)")),
    ):
        after = await desk.put(sent)
        text = Text(f"{words.fr} échoue ou change de compte", f"{words.en} fails, or changes the account")
        yield judged("R02-12", after, _kept(desk, before, after), UPDATED, text)
        if not is_accepted(after):
            return
        for fault in different("R02-12", sent, await desk.read(after), after, [ACTIVE]):
            yield fault


def _elsewhere(desk: Desk, requirement: str, before: Exchange, after: Exchange) -> Iterator[Fault]:
    if desk.moved(before, after):
        text = Text("la mise à jour a touché un autre compte", "the update changed another account")
        yield Fault(requirement, "HTTP Location", text, account_id(after), account_id(before), after)
