"""What the PKI's directory holds, when it is kept and when it is made again."""

from __future__ import annotations

import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from sandbox.kernel.errors import UsageError
from sandbox.kernel.identifiers import FINESS, SIRET, has_luhn
from sandbox.kernel.model import Editor
from sandbox.pki.authority import Credentials, Pki, ensure_pki, load_pki
from sandbox.pki.issuing import P12_PASSWORD, read_pair
from sandbox.pki.subjects import BAD_KINDS, Subject, editor_subject, hub_client_subject, sas_subject

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
EDITOR = Editor("agenda-azur", "Agenda Azur", "urn:oid:1.2.250.1.999.1", (), "399900000000017")
CLIENTS = {"sas": sas_subject(), "agenda-azur": editor_subject(EDITOR), "fr.health.samu330": hub_client_subject("x")}

Make = Callable[..., Pki]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def again(
        *,
        hosts: tuple[str, ...] = ("sandbox.example", "192.0.2.1"),
        clients: Mapping[str, Subject] = CLIENTS,
        now: datetime = NOW,
        bad_like: Subject = CLIENTS["sas"],
    ) -> Pki:
        return ensure_pki(tmp_path / "pki", hosts=hosts, clients=clients, now=now, bad_like=bad_like)

    return again


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def name(cert: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    return str(cert.subject.get_attributes_for_oid(oid)[0].value)


def files(pki: Pki) -> dict[str, bytes]:
    return {
        str(path.relative_to(pki.directory)): path.read_bytes() for path in pki.directory.rglob("*") if path.is_file()
    }


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Stems of the files that differ."""
    names = {file for file in before.keys() | after.keys() if before.get(file) != after.get(file)}
    return {file.rpartition(".")[0] for file in names} - {"manifest"}


def all_credentials(pki: Pki) -> list[Credentials]:
    return [pki.server, *pki.clients.values(), *pki.bad.values()]


def test_files_have_the_names_of_the_public_interface(make: Make) -> None:
    pki = make()
    assert {*files(pki)} >= {"ca.pem", "crl.pem", "sas.pem", "sas.key", "sas.p12", "fr.health.samu330.pem"}
    assert {*pki.clients} == {*CLIENTS}
    assert {*pki.bad} == {*BAD_KINDS}
    assert pki.bad["wrong_cn"].cert == pki.directory / "bad" / "wrong_cn.pem"
    assert all(path.is_file() for item in all_credentials(pki) for path in (item.cert, item.key, item.p12))


def test_only_the_owner_may_read(make: Make) -> None:
    pki = make()
    for path in [pki.directory, *pki.directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_server_and_clients_verify_strictly_up_to_the_root(make: Make) -> None:
    pki = make()
    root, intermediate = x509.load_pem_x509_certificates(pki.ca.read_bytes())
    builder = PolicyBuilder().store(Store([root])).time(NOW.replace(tzinfo=None))
    server = builder.build_server_verifier(x509.IPAddress(ip_address("192.0.2.1")))
    assert len(server.verify(read(pki.server.cert), [intermediate])) == 3
    for item in pki.clients.values():
        leaf, sent = x509.load_pem_x509_certificates(item.cert.read_bytes())
        assert sent == intermediate
        assert len(builder.build_client_verifier().verify(leaf, [sent]).chain) == 3


def test_certificates_carry_the_subjects_and_names_asked_for(make: Make) -> None:
    pki = make()
    for client, subject in CLIENTS.items():
        cert = read(pki.client(client).cert)
        assert name(cert, NameOID.COMMON_NAME) == subject.cn
        assert name(cert, NameOID.ORGANIZATIONAL_UNIT_NAME) == subject.ou
        assert name(cert, NameOID.ORGANIZATION_NAME) == subject.o
        assert [*cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value] == [
            ExtendedKeyUsageOID.CLIENT_AUTH
        ]
    server = read(pki.server.cert)
    assert name(server, NameOID.COMMON_NAME) == "sandbox.example"
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["sandbox.example", "localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "127.0.0.1", "::1"]
    assert server.not_valid_before_utc < NOW < server.not_valid_after_utc


def test_every_key_is_p256_and_fits_its_certificate_and_pkcs12(make: Make) -> None:
    for item in all_credentials(make()):
        key = load_pem_private_key(item.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert read(item.cert).public_key() == key.public_key()
        own, cert, _ = pkcs12.load_key_and_certificates(item.p12.read_bytes(), P12_PASSWORD.encode())
        assert own is not None
        assert own.private_numbers() == key.private_numbers()  # type: ignore[union-attr]
        assert cert == read(item.cert)


def test_bad_certificates_pretend_to_be_the_one_asked_for_in_all_but_their_fault(make: Make) -> None:
    pki = make()
    like = CLIENTS["sas"]
    bad = {kind: read(item.cert) for kind, item in pki.bad.items()}
    assert {kind for kind, cert in bad.items() if name(cert, NameOID.COMMON_NAME) != like.cn} == {"wrong_cn"}
    other_ou = {kind for kind, cert in bad.items() if name(cert, NameOID.ORGANIZATIONAL_UNIT_NAME) != like.ou}
    assert other_ou == {"wrong_ou"}
    assert {kind for kind, cert in bad.items() if cert.not_valid_after_utc < NOW} == {"expired"}
    assert {kind for kind, cert in bad.items() if cert.not_valid_before_utc > NOW} == {"not_yet_valid"}
    issuer = read(pki.directory / "authority" / "issuer.pem")
    assert {kind for kind, cert in bad.items() if cert.issuer != issuer.subject} == {"self_signed", "other_ca"}
    assert {kind for kind, cert in bad.items() if cert.issuer == cert.subject} == {"self_signed"}
    crl = x509.load_pem_x509_crl(pki.crl.read_bytes())
    assert [entry.serial_number for entry in crl] == [bad["revoked"].serial_number]
    assert crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]


def test_second_start_changes_nothing(make: Make) -> None:
    before = files(make())
    assert files(make(now=NOW + timedelta(days=1))) == before


def test_load_gives_what_was_made(make: Make) -> None:
    pki = make()
    assert load_pki(pki.directory) == pki


def test_new_client_leaves_the_others_alone(make: Make) -> None:
    before = files(make())
    pki = make(clients={**CLIENTS, "agenda-neuf": Subject("agenda-neuf.invalid", "1", "Neuf")})
    assert changed(before, files(pki)) == {"agenda-neuf"}
    assert "agenda-neuf" in load_pki(pki.directory).clients


def test_client_that_comes_back_keeps_its_certificate(make: Make) -> None:
    before = files(make())
    pki = make(clients={"sas": CLIENTS["sas"]})
    assert [*pki.clients] == ["sas"]
    with pytest.raises(KeyError):
        pki.client("agenda-azur")
    assert files(make()) == before


def test_other_subject_renews_that_client_only(make: Make) -> None:
    before = files(make())
    assert changed(before, files(make(clients={**CLIENTS, "sas": Subject("a", "b", "c")}))) == {"sas"}


def test_other_hosts_renew_what_carries_them(make: Make) -> None:
    before = files(make())
    names = changed(before, files(make(hosts=("elsewhere.example",))))
    assert names == {"server", "crl", *(f"bad/{kind}" for kind in BAD_KINDS)}


def test_other_model_renews_the_bad_ones_only(make: Make) -> None:
    before = files(make())
    names = changed(before, files(make(bad_like=Subject("a", "b", "c"))))
    assert names == {"crl", *(f"bad/{kind}" for kind in BAD_KINDS)}


@pytest.mark.parametrize("file", ["sas.key", "sas.pem", "sas.p12"])
@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_missing_or_torn_file_is_made_again_alone(make: Make, file: str, damage: str) -> None:
    pki = make()
    before, path = files(pki), pki.directory / file
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    assert changed(before, files(make())) == {"sas"}
    key = load_pem_private_key(pki.client("sas").key.read_bytes(), None)
    assert read(pki.client("sas").cert).public_key() == key.public_key()


@pytest.mark.parametrize("file", ["ca.pem", "authority/issuer.key", "manifest.json"])
def test_lost_authority_renews_everything(make: Make, file: str) -> None:
    pki = make()
    before = files(pki)
    (pki.directory / file).unlink()
    assert {file.rpartition(".")[0] for file in before} - {"manifest"} == changed(before, files(make()))


@pytest.mark.parametrize("octets", [b"", b"{torn", b"{}x", b'{"version":"one"}'])
def test_a_damaged_manifest_is_refused_since_what_was_issued_and_revoked_is_nowhere_else(
    make: Make, octets: bytes
) -> None:
    path = make().directory / "manifest.json"
    path.write_bytes(octets)
    with pytest.raises(UsageError, match=r"manifest\.json' is damaged .* remove '.*pki' to have all certificates made"):
        make()
    path.unlink()
    assert make().client("sas").key.is_file()


@pytest.mark.parametrize("name", ["authority/root.key", "authority/issuer.pem", "ca.pem"])
def test_a_damaged_authority_is_refused_since_all_that_was_issued_hangs_on_it(make: Make, name: str) -> None:
    path = make().directory / name
    kept = path.read_bytes()
    for octets in (b"", kept.replace(b"A", b"B", 1)):
        path.write_bytes(octets)
        with pytest.raises(UsageError, match=rf"{name}' is damaged: put it back, or remove it"):
            make()
    path.write_bytes(kept)
    assert make().client("sas").key.is_file()


def test_a_leftover_of_a_crash_does_not_stop_the_start(make: Make) -> None:
    pki = make()
    (pki.directory / ".sas.key.new").write_bytes(b"half")
    assert make().client("sas").key.is_file()
    (pki.directory / "manifest.json").unlink()  # everything is made anew
    make()
    assert not (pki.directory / ".sas.key.new").exists()


def test_certificates_near_their_end_are_renewed_and_the_authority_is_not(make: Make) -> None:
    before = files(make())
    later = NOW + timedelta(days=2 * 365 - 29)
    after = files(make(now=later))
    names = changed(before, after)
    assert {"server", "sas", "agenda-azur", "crl", *(f"bad/{kind}" for kind in BAD_KINDS)} <= names
    assert not any(stem.startswith(("authority", "ca")) for stem in names)
    assert files(make(now=later + timedelta(days=1))) == after


def test_crl_is_renewed_before_its_end_alone_with_the_one_that_becomes_valid(make: Make) -> None:
    before = files(make())
    later = NOW + timedelta(days=365 - 29)
    pki = make(now=later)
    assert changed(before, files(pki)) == {"crl", "bad/not_yet_valid"}
    assert x509.load_pem_x509_crl(pki.crl.read_bytes()).next_update_utc > later + timedelta(days=300)


def test_authority_is_renewed_before_a_leaf_could_outlive_it(make: Make) -> None:
    make()
    later = NOW + timedelta(days=18 * 365)
    pki = make(now=later)
    root = read(pki.ca)
    assert all(
        read(item.cert).not_valid_after_utc < root.not_valid_after_utc for item in [pki.server, *pki.clients.values()]
    )


def test_clock_that_was_ahead_does_not_leave_certificates_of_the_future(make: Make) -> None:
    make(now=NOW + timedelta(days=400))
    pki = make(now=NOW)
    assert read(pki.server.cert).not_valid_before_utc < NOW
    assert read(pki.ca).not_valid_before_utc < NOW


def test_openssl_accepts_the_files(make: Make) -> None:
    pki = make()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(pki.ca)
    context.load_verify_locations(pki.crl)
    assert context.cert_store_stats() == {"x509": 2, "crl": 2, "x509_ca": 2}
    for item in all_credentials(pki):
        context.load_cert_chain(item.cert, item.key)


@pytest.mark.parametrize("client", ["../sas", "", "Sas", "server", "ca", "bad", "authority", ".hidden", "a/b"])
def test_name_that_cannot_be_a_file_is_refused(make: Make, client: str) -> None:
    with pytest.raises(UsageError, match="cannot name a certificate"):
        make(clients={client: CLIENTS["sas"]})


def test_directory_that_cannot_be_made_is_one_clear_line(make: Make, tmp_path: Path) -> None:
    (tmp_path / "pki").write_bytes(b"a file")
    with pytest.raises(UsageError, match=r"pki: .*pki: "):
        make()


def test_directory_without_a_pki_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no PKI"):
        load_pki(tmp_path)


def test_loading_costs_no_cryptography(make: Make) -> None:
    directory = make().directory
    code = (
        "import sys; from pathlib import Path; from sandbox.pki.authority import load_pki;"
        "load_pki(Path(sys.argv[1])); sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(directory)], check=False).returncode == 0


def test_ipv6_and_international_hosts_are_named(make: Make) -> None:
    server = read(make(hosts=("santé.example", "[2001:db8::1]", "")).server.cert)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "xn--sant-epa.example" in names.get_values_for_type(x509.DNSName)
    assert "2001:db8::1" in [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]


def test_key_of_another_kind_is_no_authority(make: Make, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="elliptic curve"):
        read_pair(make().ca.read_bytes(), key)


def test_subjects_follow_the_rules_of_the_guide() -> None:
    sas, hub = sas_subject(), hub_client_subject("fr.health.samu330")
    assert SIRET.fullmatch(sas.ou)
    assert has_luhn(sas.ou[1:])
    assert hub.cn == "fr.health.samu330"
    assert FINESS.fullmatch(hub.ou)
    assert has_luhn(hub.ou[1:])
    assert editor_subject(EDITOR) == Subject("agenda-azur.bac-a-sable.invalid", EDITOR.ou, "Agenda Azur")


@pytest.mark.parametrize("values", [("", "b", "c"), ("a", "", "c"), ("a", "b", ""), ("a" * 65, "b", "c")])
def test_subject_with_a_value_that_x520_forbids_is_refused(values: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        Subject(*values)
