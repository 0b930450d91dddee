"""Certificates and revocation lists of the sandbox's CA: pure, keys and certificates as octets in and out.

All keys are EC P-256 with SHA-256, except those of end entities whose user can only read RSA keys. A root signs one
intermediate, the intermediate signs everything else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.pki.subjects import Subject

ORGANIZATION = "IGC-Santé (bac à sable)"
P12_PASSWORD = "sandbox"  # published: the keys are the sandbox's own
SKEW = timedelta(days=1)  # peers' clocks may be behind ours
CA_LIFE = timedelta(days=20 * 365)
LEAF_LIFE = timedelta(days=2 * 365)
CRL_LIFE = timedelta(days=365)
RSA_BITS = 2048

_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
USAGES = {"server": (_SERVER,), "client": (_CLIENT,), "both": (_SERVER, _CLIENT)}


@dataclass(frozen=True, slots=True)
class Order:
    """A certificate to make. `usage`: a key of USAGES; `hosts`: names and addresses of the SAN; `rsa`: kind of key."""

    subject: Subject
    usage: str
    hosts: tuple[str, ...]
    since: datetime
    until: datetime
    rsa: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    cert: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.cert.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key, PKCS#8, without a passphrase."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def old_key_pem(self) -> bytes:
        """The key in the form of its own kind (PKCS#1 for RSA), without a passphrase."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def read_pair(cert: bytes, key: bytes) -> Pair:
    """A pair from its PEM files."""
    private = load_pem_private_key(key, None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not an elliptic curve key")
    return Pair(x509.load_pem_x509_certificate(cert), private)


def read_serial(cert: bytes) -> int:
    """Serial number of the first certificate of a PEM file."""
    return x509.load_pem_x509_certificate(cert).serial_number


def make_root(name: str, now: datetime) -> Pair:
    """A self-signed root that may sign one level of intermediates."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _sign_ca(_ca_name(name), key, None, now, path_length=1)


def make_intermediate(root: Pair, name: str, now: datetime) -> Pair:
    """A CA that may sign end entities only."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _sign_ca(_ca_name(name), key, root, now, path_length=0)


def issue(order: Order, issuer: Pair | None) -> Pair:
    """An end entity's certificate; self-signed without `issuer`."""
    key: PrivateKey
    key = rsa.generate_private_key(65537, RSA_BITS) if order.rsa else ec.generate_private_key(ec.SECP256R1())
    name = _name(order.subject)
    builder = _builder(name, key, name if issuer is None else issuer.cert.subject, order.since, order.until)
    signer = key if issuer is None else issuer.key
    builder = (
        _with_key_ids(builder, key, signer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(USAGES[order.usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*map(_alternative, order.hosts)]), critical=False)
    )
    return Pair(builder.sign(signer, SHA256()), key)


def revocation_list(issuer: Pair, revoked: Mapping[int, datetime], now: datetime, number: int) -> bytes:
    """A CRL in PEM, valid for CRL_LIFE. `revoked`: serial -> since when; `number` must grow from list to list."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.cert.subject)
        .last_update(now - SKEW)
        .next_update(now + CRL_LIFE)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    for serial, since in revoked.items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        builder = builder.add_revoked_certificate(entry.add_extension(reason, critical=False).build())
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.PEM)


def pkcs12_bytes(name: str, pair: Pair, chain: Sequence[Pair]) -> bytes:
    """Key, certificate and chain under P12_PASSWORD, in algorithms that OpenSSL 1.1 and Java 8 already know."""
    protection = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(SHA256())
        .build(P12_PASSWORD.encode())
    )
    return pkcs12.serialize_key_and_certificates(
        name.encode(), pair.key, pair.cert, [link.cert for link in chain], protection
    )


def _sign_ca(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: Pair | None, now: datetime, *, path_length: int
) -> Pair:
    parent = name if issuer is None else issuer.cert.subject
    signer = key if issuer is None else issuer.key
    builder = (
        _with_key_ids(_builder(name, key, parent, now - SKEW, now + CA_LIFE), key, signer)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
    )
    return Pair(builder.sign(signer, SHA256()), key)


def _builder(
    subject: x509.Name, key: PrivateKey, issuer: x509.Name, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )


def _with_key_ids(builder: x509.CertificateBuilder, key: PrivateKey, signer: PrivateKey) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    ).add_extension(authority, critical=False)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(subject: Subject) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.o),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, subject.ou),
            x509.NameAttribute(NameOID.COMMON_NAME, subject.cn),
        ]
    )


def _ca_name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode())
