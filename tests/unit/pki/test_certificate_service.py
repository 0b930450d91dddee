"""The certificate service: issuing, revoking, listing, and the set of the acceptance kit."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from sandbox.kernel.errors import UsageError
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.certificate_service import CertificateService, name_of
from sandbox.pki.kit import export_kit
from sandbox.pki.manifest import locked, read_manifest
from sandbox.pki.names import usable_host
from sandbox.pki.subjects import Subject, hub_client_subject, sas_subject

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
NAMES = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
VENDOR = Subject("agenda.exemple", "399900100000093", "Éditeur")


def make(directory: Path, now: datetime = NOW) -> Pki:
    clients = {"sas": sas_subject()}
    return ensure_pki(directory / "pki", hosts=("127.0.0.1",), clients=clients, now=now, bad_like=sas_subject())


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make(tmp_path)


def service(pki: Pki, now: datetime = NOW) -> CertificateService:
    return CertificateService(pki.directory, now)


def revoked_serials(path: Path) -> set[int]:
    return {entry.serial_number for entry in x509.load_pem_x509_crl(path.read_bytes())}


def states(pki: Pki, now: datetime = NOW) -> dict[str, str]:
    return {line.name: line.state for line in service(pki, now).certificates()}


def test_issued_certificate_serves_both_sides_and_names_the_hosts_asked_for(pki: Pki) -> None:
    issued, folder = service(pki).issue("mon-agenda", VENDOR, ("127.0.0.1", "agenda.exemple"), None)
    assert folder == pki.directory / "issued"
    cert = x509.load_pem_x509_certificate((folder / "mon-agenda.pem").read_bytes())
    assert f"{cert.serial_number:x}" == issued.serial
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["agenda.exemple", "127.0.0.1"]
    usages = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert len([*usages]) == 2
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(folder / "mon-agenda.pem", folder / "mon-agenda.key")
    assert states(pki)["mon-agenda"] == "valid"
    assert states(pki, NOW + timedelta(days=900))["mon-agenda"] == "expired"


def test_a_common_name_that_is_no_host_stays_out_of_the_names(pki: Pki) -> None:
    _, folder = service(pki).issue("x", Subject("Cabinet du Port", "1330000000", "O"), ("::1",), None)
    cert = x509.load_pem_x509_certificate((folder / "x.pem").read_bytes())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["::1"]


@pytest.mark.parametrize(
    ("host", "good"),
    [("agenda.exemple", True), ("*.exemple", True), ("éditeur.exemple", True), ("10.0.0.1", True), ("::1", True),
     ("a..b", False), ("a_b", False), ("-a", False), ("", False), ("x" * 64, False), ("a b", False)],
)  # fmt: skip
def test_names_of_hosts(host: str, good: bool) -> None:
    assert usable_host(host) is good


@pytest.mark.parametrize(
    ("name", "hosts", "reason"),
    [
        ("Majuscule", (), "cannot name a certificate"),
        ("ca", (), "cannot name a certificate"),
        ("sas", (), "is a certificate of the sandbox itself"),
        ("twice", (), "was issued before"),
        ("new", ("pas un hôte",), "neither a host name nor an IP address"),
    ],
)
def test_what_cannot_be_issued_is_refused_in_one_line(pki: Pki, name: str, hosts: tuple[str, ...], reason: str) -> None:
    service(pki).issue("twice", VENDOR, (), None)
    with pytest.raises(UsageError, match=reason) as caught:
        service(pki).issue(name, VENDOR, hosts, None)
    assert "\n" not in str(caught.value)


def test_files_of_others_are_not_overwritten(pki: Pki, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.key").write_text("mine")
    with pytest.raises(UsageError, match=r"x\.key exists"):
        service(pki).issue("x", VENDOR, (), out)
    assert (out / "x.key").read_text() == "mine"


@pytest.mark.parametrize("by", ["name", "serial", "colons"])
def test_revoked_certificate_is_on_the_list_at_once(pki: Pki, by: str) -> None:
    issued, _ = service(pki).issue("x", VENDOR, (), None)
    padded = issued.serial.zfill(40).upper()
    colons = ":".join(padded[at : at + 2] for at in range(0, 40, 2))
    line = service(pki).revoke({"name": "x", "serial": "0x" + issued.serial, "colons": colons}[by])
    assert (line.name, line.serial) == ("x", issued.serial)
    assert int(issued.serial, 16) in revoked_serials(pki.crl)
    assert states(pki)["x"] == "revoked"


def test_the_number_of_the_list_grows_within_one_second(pki: Pki) -> None:
    def number() -> int:
        crl = x509.load_pem_x509_crl(pki.crl.read_bytes())
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    seen = [number()]
    for name in ("a", "b"):
        service(pki).issue(name, VENDOR, (), None)
        service(pki).revoke(name)
        seen.append(number())
    assert seen == sorted({*seen})


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("nobody", "no certificate has the name or serial number 'nobody'"),
        ("bad/expired", "is a bad certificate already"),
        ("bad/revoked", "is revoked already"),
        ("", "no certificate"),
    ],
)
def test_what_cannot_be_revoked_is_told(pki: Pki, which: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        service(pki).revoke(which)


def test_a_certificate_is_revoked_once(pki: Pki) -> None:
    service(pki).issue("x", VENDOR, (), None)
    service(pki).revoke("x")
    with pytest.raises(UsageError, match="is revoked already"):
        service(pki).revoke("x")


def test_a_certificate_of_the_sandbox_is_made_again_after_it_was_revoked(pki: Pki, tmp_path: Path) -> None:
    before = (pki.directory / "sas.pem").read_bytes()
    serial = int(service(pki).revoke("sas").serial, 16)
    make(tmp_path)
    assert (pki.directory / "sas.pem").read_bytes() != before
    assert serial in revoked_serials(pki.crl)
    assert states(pki)["sas"] == "valid"
    again = (pki.directory / "sas.pem").read_bytes()
    make(tmp_path)
    assert (pki.directory / "sas.pem").read_bytes() == again


def test_what_was_issued_and_revoked_survives_the_upkeep(pki: Pki, tmp_path: Path) -> None:
    issued, _ = service(pki).issue("x", VENDOR, (), None)
    service(pki).revoke("x")
    make(tmp_path, NOW + timedelta(days=340))
    assert int(issued.serial, 16) in revoked_serials(pki.crl)
    make(tmp_path, NOW + timedelta(days=760))  # the certificate has ended: the list forgets it
    manifest = read_manifest(pki.directory)
    assert manifest is not None
    assert manifest.revoked == {}


def test_what_a_lost_authority_issued_is_foreign_and_its_name_is_free(pki: Pki, tmp_path: Path) -> None:
    issued, _ = service(pki).issue("x", VENDOR, (), None)
    (pki.directory / "authority" / "issuer.key").unlink()
    make(tmp_path)
    assert states(pki)["x"] == "foreign"
    with pytest.raises(UsageError, match="no certificate"):
        service(pki).revoke(issued.serial)
    service(pki).issue("x", VENDOR, (), None)
    assert [line.state for line in service(pki).certificates() if line.name == "x"] == ["foreign", "valid"]
    assert service(pki).revoke("x").serial != issued.serial


def test_two_of_one_name_are_told_apart_by_their_serial_numbers(pki: Pki, tmp_path: Path) -> None:
    issued, _ = service(pki).issue("agenda", VENDOR, (), None)
    clients = {"sas": sas_subject(), "agenda": VENDOR}  # a configuration of later has a client of that name
    ensure_pki(pki.directory, hosts=("127.0.0.1",), clients=clients, now=NOW, bad_like=sas_subject())
    with pytest.raises(UsageError, match="several certificates are named 'agenda'"):
        service(pki).revoke("agenda")
    assert service(pki).revoke(issued.serial).kind == "issued"


KIT = {
    "inferno-prePROD.pem": "inferno-prePROD.key",
    "invalid_bad_cname_certificate.key.crt.ca.pem": "invalid_bad_cname.key",
    "invalid_bad_ou_certificate.key.crt.ca.pem": "invalid_bad_ou.key",
    "invalid_revoked_certificate.key.crt.ca.pem": "invalid_revoked_certificate.key",
}


def test_kit_has_the_names_that_the_kit_reads_and_keys_that_it_can_read(pki: Pki, tmp_path: Path) -> None:
    names = export_kit(service(pki), tmp_path / "kit", sas_subject())
    assert (
        {*names} == {path.name for path in (tmp_path / "kit").iterdir()} == {*KIT, *KIT.values(), "ca.pem", "crl.pem"}
    )
    for cert_file, key_file in KIT.items():
        cert = x509.load_pem_x509_certificate((tmp_path / "kit" / cert_file).read_bytes())  # the first certificate
        key = load_pem_private_key((tmp_path / "kit" / key_file).read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        assert cert.public_key() == key.public_key()


def test_kit_is_good_once_and_bad_in_three_ways(pki: Pki, tmp_path: Path) -> None:
    export_kit(service(pki), tmp_path / "kit", sas_subject())

    def subject(file: str) -> tuple[str, str, bool]:
        cert = x509.load_pem_x509_certificate((tmp_path / "kit" / file).read_bytes())
        cn, ou = (cert.subject.get_attributes_for_oid(oid)[0].value for oid in NAMES)
        return str(cn), str(ou), cert.serial_number in revoked_serials(tmp_path / "kit" / "crl.pem")

    sas = sas_subject()
    good, bad_cn, bad_ou, revoked = (subject(file) for file in KIT)
    assert good == (sas.cn, sas.ou, False)
    assert (bad_cn[0] != sas.cn, *bad_cn[1:]) == (True, sas.ou, False)
    assert (bad_ou[0], bad_ou[1] != sas.ou, bad_ou[2]) == (sas.cn, True, False)
    assert revoked == (sas.cn, sas.ou, True)


def test_kit_stays_the_same_until_something_of_it_is_revoked(pki: Pki, tmp_path: Path) -> None:
    def exported() -> bytes:
        export_kit(service(pki), tmp_path / "kit", sas_subject())
        return (tmp_path / "kit" / "inferno-prePROD.pem").read_bytes()

    first = exported()
    assert exported() == first
    service(pki).revoke("kit/inferno-prePROD")
    assert exported() != first


def test_name_of_a_certificate_without_one_follows_from_its_common_name() -> None:
    assert name_of("Agenda.Exemple") == "agenda.exemple"
    assert name_of("Cabinet du Port") == "cabinet-du-port"


def test_writers_exclude_each_other(pki: Pki) -> None:
    import fcntl

    with (
        locked(pki.directory),
        (pki.directory / "manifest.lock").open("rb") as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_everything_issued_to_a_name_is_revoked_and_nothing_else(pki: Pki) -> None:
    subject = hub_client_subject("fr.health.samu750")
    for name in ("a", "b"):
        service(pki).issue(name, subject, (), None)
    service(pki).issue("c", hub_client_subject("fr.health.samu751"), (), None)
    service(pki).revoke("a")
    serials = service(pki).revoke_issued("fr.health.samu750")
    assert {name: states(pki)[name] for name in ("a", "b", "c")} == {"a": "revoked", "b": "revoked", "c": "valid"}
    assert {int(serial, 16) for serial in serials} <= revoked_serials(pki.crl)
    assert len(serials) == 1
    assert service(pki).revoke_issued("fr.health.samu750") == []


def test_a_name_that_was_used_gets_a_number(pki: Pki) -> None:
    for wanted in ("x", "x-2", "x-3"):
        name = service(pki).free_name("x")
        assert name == wanted
        service(pki).issue(name, hub_client_subject("fr.health.samu750"), (), None)
