"""Every address that the sandbox hands out answers: those of endpoints.json and those that its pages link to."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from sandbox.partners import ExternalEditor, ExternalLrm
from tests.support.sandboxes import sandbox_here

ELSEWHERE = "https://127.0.0.1:9443"  # of the vendor, who is not there
DECLARED = {
    "slug": "mon-agenda",
    "name": "Mon Agenda",
    "system": "urn:oid:1.2.250.1.999.77",
    "base_url": f"{ELSEWHERE}/fhir",
    "ou": "399900100000093",
    "flows": ["INT_R03"],
}


def urls(value: Any) -> Iterator[str]:
    """Every HTTP address in a document."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from urls(each)
    elif isinstance(value, str) and value.startswith("http"):
        yield value


def links(page: str) -> list[str]:
    found = [html.unescape(each) for each in re.findall(r'<a [^>]*href="([^"]+)"', page)]
    return [each for each in found if each.startswith(("http", "/"))]


async def test_every_address_answers_that_of_an_external_lrm_too(tmp_path: Path) -> None:
    vendors = (
        ExternalLrm("fr.health.samu330", "Mon LRM"),
        ExternalLrm("fr.health.samu350", "Autre LRM", "https://lrm.exemple/accueil"),
    )
    editors = (msgspec.convert(DECLARED, ExternalEditor),)
    flags = {"preset": "minimal", "external_lrms": vendors, "external_editors": editors}
    async with sandbox_here(tmp_path / "data", **flags) as document, aiohttp.ClientSession() as session:
        assert [(lrm["external"], lrm["ui"].partition("//")[2].partition("/")[2]) for lrm in document["lrms"]] == [
            (True, "samu330"),
            (True, "accueil"),
            (False, "samu690"),
        ]

        async def answer(url: str, client: str = "sas") -> tuple[int, str]:
            tls = ssl.create_default_context(cafile=document["tls"]["ca"])
            tls.load_cert_chain(document["tls"]["clients"][client]["cert"], document["tls"]["clients"][client]["key"])
            async with session.get(url, ssl=tls, headers={"Accept": "*/*"}) as got:
                return got.status, await got.text()

        told = {url for url in urls(document) if not url.startswith((ELSEWHERE, "https://lrm.exemple"))}
        assert len(told) == 18
        for url in told:
            status, text = await answer(url, "agenda-azur" if url == document["sas"]["fhir"] else "sas")
            assert (url, status) == (url, 200)
            assert text.startswith("{") or "html" in text[:20] or "# HELP" in text[:20]
        discovery = f"{document['psc']['issuer']}/.well-known/openid-configuration"
        for url in (document["control"]["api"] + "/health", document["sas"]["api"] + "/openapi.json", discovery):
            assert (url, (await answer(url))[0]) == (url, 200)
        lrm = document["lrms"][0]["ui"]
        home = lrm.removesuffix("samu330")
        assert "Le LRM de ce territoire est externe : Mon LRM" in (await answer(lrm))[1]
        for page in (document["control"]["ui"], f"{document['control']['ui']}/hub", home, lrm, f"{home}samu350"):
            base = re.match(r"http://[^/]+", page)
            assert base is not None
            for link in set(links((await answer(page))[1])):
                if not link.startswith((ELSEWHERE, "https://lrm.exemple")):
                    url = link if link.startswith("http") else base[0] + link
                    assert (page, url, (await answer(url))[0]) == (page, url, 200)
        assert 'href="https://lrm.exemple/accueil"' in (await answer(document["control"]["ui"]))[1]
        assert_named(document)


def assert_named(document: dict[str, Any]) -> None:
    """CN and OU that are told are those that the certificates have."""
    tls = document["tls"]
    entries = [*tls["clients"].values(), *tls["servers"].values(), {**tls["server"], "cert": server_file(tls)}]
    assert len(tls["clients"]) > 8
    for entry in entries:
        subject = x509.load_pem_x509_certificate(Path(entry["cert"]).read_bytes()).subject
        names = [subject.get_attributes_for_oid(oid)[0].value for oid in _NAMES]
        assert [entry["cn"], entry["ou"]] == names


def server_file(tls: dict[str, Any]) -> str:
    return str(Path(tls["ca"]).with_name(Path(tls["server"]["cert"]).name))


_NAMES = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
