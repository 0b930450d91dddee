"""R02-1, -2, -10, -11, -13: what a creation makes, whom it refuses, and what it does not ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import orjson

from sandbox.check.editor.regulators.desk import (
    Desk,
    account_id,
    answer_of,
    is_accepted,
    is_refused,
    judged,
    location_faults,
)
from sandbox.check.editor.regulators.people import document, without_meta
from sandbox.check.evidence import Exchange
from sandbox.check.verdicts import Fault, Observed, Skipped, Text
from sandbox.fhir.practitioner import RegulatorAccount
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier

CREATED = "201"
REFUSED = "4xx"
IDENTIFIER, ACTIVE, FAMILY, GIVEN, EMAIL = ELEMENTS = (
    "identifier",
    "active",
    "name[0].family",
    "name[0].given",
    "telecom[0].value",
)


async def creation(desk: Desk) -> AsyncIterator[Observed]:
    """R02-1: by national id, by technical id, with both; what is read is what was sent."""
    national, technical = desk.people.national(), desk.people.technical()
    both = (desk.people.national(), desk.people.technical())
    ids: set[str] = set()
    for words, identifiers in (
        (Text("national (IDNPS)", "national (IDNPS)"), (national,)),
        (Text("technique (INTRN)", "technical (INTRN)"), (technical,)),
        (Text("national et un technique", "national and a technical"), both),
    ):
        account = desk.people.person(*identifiers)
        exchange = await desk.post(account)
        text = Text(
            f"la création avec un identifiant {words.fr} n'est pas répondue par 201",
            f"creation with a {words.en} identifier is not answered 201",
        )
        yield judged("R02-1", exchange, exchange.status == 201, CREATED, text)
        if not is_accepted(exchange):
            continue
        for fault in location_faults("R02-1", exchange):
            yield fault
        id = account_id(exchange)
        if id and id in ids:
            text = Text("deux comptes ont la même Location", "two accounts have the same Location")
            yield Fault("R02-1", "HTTP Location", text, id, "", exchange)
        ids.add(id)
        for fault in different("R02-1", account, await desk.read(exchange), exchange):
            yield fault


def different(
    requirement: str,
    sent: RegulatorAccount,
    read: RegulatorAccount | None,
    exchange: Exchange,
    elements: Sequence[str] = ELEMENTS,
) -> list[Fault]:
    """How these elements of an account that was read differ from what they should be; nothing when it was not read."""
    if read is None:
        return []
    text = Text("le compte lu n'est pas celui qui a été envoyé", "the account that is read is not the one sent")
    found, expected = _values(read), _values(sent)
    return [
        Fault(
            requirement,
            f"Practitioner.{element}",
            text,
            found[element],
            expected[element],
            exchange,
            f"{text.en}: {element}",
        )
        for element in elements
        if found[element] != expected[element]
    ]


def _values(account: RegulatorAccount) -> dict[str, str]:
    keys = sorted(identifier.key for identifier in account.identifiers)
    return {
        IDENTIFIER: ", ".join(keys),
        ACTIVE: str(account.active).lower(),
        FAMILY: account.family,
        GIVEN: " ".join(account.given),
        EMAIL: account.email.lower(),
    }


async def duplicates(desk: Desk) -> AsyncIterator[Observed]:
    """R02-2: the same identifier, the same e-mail; and what a refused creation changed."""
    first, exchange = await desk.created()
    before = await desk.read(exchange)
    namesake = desk.people.person(*first.identifiers)
    double = replace(desk.people.person(), email=first.email)
    refused = []
    for account, words in (
        (namesake, Text("avec le même identifiant", "with the same identifier")),
        (double, Text("avec le même e-mail", "with the same e-mail")),
    ):
        answer = await desk.post(account)
        text = Text(
            f"un second POST {words.fr} n'est pas refusé par 4xx", f"a second POST {words.en} is not answered 4xx"
        )
        yield judged("R02-2", answer, is_refused(answer), REFUSED, text)
        refused.append(is_refused(answer))
    if not all(refused):
        return
    heir = await desk.post(replace(desk.people.person(), email=namesake.email))
    text = Text(
        "un POST refusé a tout de même pris l'e-mail qu'il portait",
        "a POST that was refused took its e-mail nevertheless",
    )
    yield judged("R02-2", heir, is_accepted(heir), CREATED, text)
    for fault in changed("R02-2", before, await desk.read(exchange), exchange):
        yield fault


def changed(
    requirement: str, before: RegulatorAccount | None, after: RegulatorAccount | None, exchange: Exchange
) -> list[Fault]:
    """What refused calls changed in an account, by what was read of it before and after them."""
    text = Text("un appel refusé a changé le compte", "a call that was refused changed the account")
    found = different(requirement, before, after, exchange) if before is not None else []
    return [replace(fault, text=text, cause=text.en) for fault in found]


async def leniency(desk: Desk) -> AsyncIterator[Observed]:
    """R02-11: technical ids of any form, no `meta`, plain JSON."""
    for identifier, words in (
        (desk.people.free_form(), Text("qui n'est pas un UUID", "that is no UUID")),
        (_as_technical(desk.people.national()), Text("d'allure nationale", "that looks national")),
    ):
        exchange = await desk.post(desk.people.person(identifier))
        text = Text(
            f"un identifiant technique {words.fr} n'est pas accepté", f"a technical identifier {words.en} is refused"
        )
        yield judged("R02-11", exchange, is_accepted(exchange), CREATED, text)
    account = desk.people.person()
    exchange = await desk.post(account, without_meta(account))
    text = Text("un compte sans meta.source n'est pas accepté", "an account without meta.source is refused")
    yield judged("R02-11", exchange, is_accepted(exchange), CREATED, text)
    account = desk.people.person()
    text = Text("Content-Type: application/json n'est pas accepté", "Content-Type: application/json is refused")
    exchange = await desk.post(account, media="application/json")
    yield judged("R02-11", exchange, is_accepted(exchange), CREATED, text)
    if is_accepted(exchange):
        renamed = replace(account, family="CONTROLE-JSON")
        exchange = await desk.put_as(renamed, orjson.dumps(document(renamed)), "application/json")
        yield judged("R02-11", exchange, is_accepted(exchange), "200", text)


def _as_technical(identifier: Identifier) -> Identifier:
    return Identifier(SYSTEM_SAS, identifier.value, "INTRN")


async def pairs(desk: Desk) -> AsyncIterator[Observed]:
    """R02-10: one value under both systems is two people; a UUID may be queried under the national system."""
    national = desk.people.national()
    one = desk.people.person(_as_technical(national))
    first = await desk.post(one)
    if not is_accepted(first):
        found = answer_of(first)
        yield Skipped(
            "R02-10",
            Text(
                f"l'identifiant technique d'allure nationale a reçu {found} (voir R02-11)",
                f"the technical id that looks national was answered {found} (see R02-11)",
            ),
        )
        return
    other = desk.people.person(national)
    second = await desk.post(other)
    text = Text(
        "la même valeur dans l'autre système est prise pour la même personne",
        "the same value in the other system is taken for the same person",
    )
    yield judged("R02-10", second, is_accepted(second) and not _same(first, second), CREATED, text)
    if not is_accepted(second):
        return
    for account, before in ((one, first), (other, second)):
        after = await desk.put(replace(account, family="CONTROLE-COUPLE"))
        good = not is_accepted(after) or not desk.moved(before, after)  # a refusal is for R02-4
        yield judged("R02-10", after, good, f"Location …/{account_id(before)}", text)


def _same(one: Exchange, other: Exchange) -> bool:
    return bool(account_id(one)) and account_id(one) == account_id(other)


async def hints(desk: Desk) -> AsyncIterator[Observed]:
    """R02-13: two people with the same `id` in their bodies; an update with the id of somebody else."""
    id = f"controle-{desk.people.technical().value[:8]}"
    people, answers = (desk.people.person(), desk.people.person()), []
    text = Text("deux corps du même id sont pris pour la même personne", "bodies with one id are taken for one person")
    for account in people:
        answers.append(await desk.post(account, orjson.dumps(document(account, id))))
    first, second = answers
    if not is_accepted(first):
        yield judged(
            "R02-13", first, False, CREATED, Text("un corps avec un id est refusé", "a body with id is refused")
        )
        return
    yield judged("R02-13", second, is_accepted(second) and not _same(first, second), CREATED, text)
    if not is_accepted(second) or not account_id(first):
        return
    renamed = replace(people[1], family="CONTROLE-INDICE")
    after = await desk.put(renamed, body=orjson.dumps(document(renamed, account_id(first))))
    text = Text(
        "l'id du corps l'emporte sur l'identifiant de la requête", "the body's id goes before the query's identifier"
    )
    yield judged("R02-13", after, is_accepted(after) and not desk.moved(second, after), "200", text)


async def national_query(desk: Desk) -> AsyncIterator[Observed]:
    """R02-10: a technical id queried under the national system does not stop an update."""
    account, _ = await desk.created()
    named = Identifier(SYSTEM_PERSON, account.identifiers[0].value)
    after = await desk.put(account, named)
    if after.status in (404, 409):  # the person was not found by the body: for R02-6
        return
    text = Text(
        "un UUID recherché dans le système national est refusé",
        "a UUID that is queried in the national system is refused",
    )
    yield judged("R02-10", after, is_accepted(after), "200", text)
