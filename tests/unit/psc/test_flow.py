"""The rules of the authorization code flow."""

from __future__ import annotations

import base64
import dataclasses

import pytest

from sandbox.kernel.errors import RequestError
from sandbox.psc.clients import Client
from sandbox.psc.flow import (
    AuthorizeError,
    AuthorizeRequest,
    Grant,
    Grants,
    TokenError,
    authenticate_client,
    needs_login,
    read_authorize,
    read_parameters,
    verifies,
    with_query,
)
from sandbox.web.oidc import basic_authorization, challenge

BACK = "http://a.invalid/back"
CLIENT = Client("a", "A", "secret", (BACK,))
CLIENTS = {"a": CLIENT}
VERIFIER = "v" * 64
GOOD = {"client_id": "a", "redirect_uri": BACK, "response_type": "code", "scope": "openid x", "state": "s"}
GRANT = Grant("a", BACK, "sys|1", "n", challenge(VERIFIER), ("openid",), 5, "sid")


ISSUER = "http://psc.invalid/psc"


def read(values: dict[str, str], *further: tuple[str, str]) -> AuthorizeRequest:
    return read_authorize([*values.items(), *further], CLIENTS, ISSUER)


def fault(**changes: str) -> AuthorizeError:
    with pytest.raises(AuthorizeError) as caught:
        read({**GOOD, **changes})
    return caught.value


def test_good_request_is_read() -> None:
    request = read({**GOOD, "prompt": "login", "max_age": "30"})
    assert request.client is CLIENT
    assert request.scope == ("openid", "x")
    assert request.prompt == {"login"}
    assert request.max_age == 30


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "b"},
        {"redirect_uri": BACK + "?x"},
        {"redirect_uri": "http://A.invalid/back"},
        {"redirect_uri": ""},
    ],
)
def test_unknown_client_or_address_never_redirects(changes: dict[str, str]) -> None:
    with pytest.raises(RequestError) as caught:
        read({**GOOD, **changes})
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_repeated_client_or_address_never_redirects(name: str) -> None:
    with pytest.raises(RequestError):
        read(GOOD, (name, GOOD[name]))


def test_other_repeated_parameters_are_told_to_the_client() -> None:
    with pytest.raises(AuthorizeError, match="repeated") as caught:
        read(GOOD, ("scope", "openid"))
    assert caught.value.location.endswith("&state=s&iss=http%3A%2F%2Fpsc.invalid%2Fpsc")


def test_of_two_states_none_is_sent_back() -> None:
    with pytest.raises(AuthorizeError, match="repeated") as caught:
        read(GOOD, ("state", "other"))
    assert "state=" not in caught.value.location


@pytest.mark.parametrize(
    "name",
    [
        "response_mode",
        "request",
        "request_uri",
        "prompt",
        "max_age",
        "code_challenge",
        "code_challenge_method",
        "state",
    ],
)
def test_a_parameter_without_a_value_is_as_if_absent(name: str) -> None:
    assert read({**GOOD, name: ""}) == read({key: value for key, value in GOOD.items() if key != name})
    assert read(GOOD, (name, ""), (name, "")) == read(GOOD)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "jwt"}, "request_not_supported"),
        ({"request_uri": "x"}, "request_uri_not_supported"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"prompt": "now"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": challenge(VERIFIER)}, "invalid_request"),
        ({"code_challenge": "v" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"nonce": "n" * 501}, "invalid_request"),
    ],
)
def test_faults_are_told_with_their_code(changes: dict[str, str], code: str) -> None:
    error = fault(**changes)
    assert error.code == code
    assert error.location.startswith(f"{BACK}?error={code}&error_description=")
    assert error.location.endswith("&state=s&iss=http%3A%2F%2Fpsc.invalid%2Fpsc")


def test_query_is_added_to_one_that_is_there() -> None:
    assert with_query("http://a/?x=1", {"y": "é", "z": ""}) == "http://a/?x=1&y=%C3%A9"
    assert with_query("http://a/", {"z": ""}) == "http://a/"


def test_repeated_names_are_found_and_empty_values_left_out() -> None:
    pairs = [("a", "1"), ("b", "1"), ("a", "2"), ("c", ""), ("b", ""), ("d", ""), ("d", "")]
    assert read_parameters(pairs) == ({"a": "2", "b": "1"}, {"a"})


def test_an_ended_session_takes_its_codes_and_tokens_with_it() -> None:
    grants = Grants()
    other = dataclasses.replace(GRANT, session="other")
    for code, grant in (("c", GRANT), ("d", GRANT), ("e", other)):
        grants.issue(code, grant, 0.0)
    grants.redeem("c", CLIENT, BACK, VERIFIER, "t", 1.0)
    grants.end("sid")
    with pytest.raises(TokenError):
        grants.of_token("t", 2.0)
    with pytest.raises(TokenError):
        grants.redeem("d", CLIENT, BACK, VERIFIER, "u", 2.0)
    assert grants.redeem("e", CLIENT, BACK, VERIFIER, "u", 2.0) is other


def test_login_is_needed_without_a_session_on_demand_and_when_too_old() -> None:
    plain = read(GOOD)
    assert needs_login(plain, None, 100)
    assert not needs_login(plain, 0, 10**6)
    assert needs_login(read({**GOOD, "prompt": "select_account"}), 100, 100)
    recent = read({**GOOD, "max_age": "10"})
    assert not needs_login(recent, 90, 100)
    assert needs_login(recent, 89, 100)


def test_code_lives_sixty_seconds() -> None:
    grants = Grants()
    grants.issue("c", GRANT, 0.0)
    with pytest.raises(TokenError, match="expired"):
        grants.redeem("c", CLIENT, BACK, VERIFIER, "t", 60.0)
    grants.issue("d", GRANT, 100.0)
    assert len(grants) == 1
    assert grants.redeem("d", CLIENT, BACK, VERIFIER, "t", 159.9) is GRANT


def test_access_token_lives_five_minutes() -> None:
    grants = Grants()
    grants.issue("c", GRANT, 0.0)
    grants.redeem("c", CLIENT, BACK, VERIFIER, "t", 1.0)
    assert grants.of_token("t", 300.0) is GRANT
    with pytest.raises(TokenError) as caught:
        grants.of_token("t", 301.0)
    assert (caught.value.status, caught.value.code) == (401, "invalid_token")


def test_failed_exchange_leaves_the_code_unused() -> None:
    grants = Grants()
    grants.issue("c", GRANT, 0.0)
    with pytest.raises(TokenError, match="code_verifier"):
        grants.redeem("c", CLIENT, BACK, "w" * 64, "t", 1.0)
    assert grants.redeem("c", CLIENT, BACK, VERIFIER, "t", 1.0) is GRANT


def test_tables_are_bounded_and_lose_the_oldest() -> None:
    grants = Grants(capacity=2)
    for code in ("a", "b", "c"):
        grants.issue(code, GRANT, 0.0)
    assert len(grants) == 2
    with pytest.raises(TokenError):
        grants.redeem("a", CLIENT, BACK, VERIFIER, "t", 1.0)
    assert grants.redeem("c", CLIENT, BACK, VERIFIER, "t", 1.0) is GRANT


def test_cleared_tables_know_nothing() -> None:
    grants = Grants()
    grants.issue("c", GRANT, 0.0)
    grants.redeem("c", CLIENT, BACK, VERIFIER, "t", 1.0)
    grants.clear()
    with pytest.raises(TokenError):
        grants.of_token("t", 1.0)


def test_verifier_of_rfc_7636_appendix_b_fits_its_challenge() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert verifies("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", verifier)


@pytest.mark.parametrize("verifier", ["", "short", "v" * 129, "é" * 64])
def test_malformed_verifiers_never_fit(verifier: str) -> None:
    assert not verifies(challenge(VERIFIER), verifier)


def test_without_challenge_there_must_be_no_verifier() -> None:
    assert verifies("", "")
    assert not verifies("", VERIFIER)


def test_client_authenticates_either_way() -> None:
    assert authenticate_client(basic_authorization("a", "secret"), {}, CLIENTS) is CLIENT
    assert authenticate_client("", {"client_id": "a", "client_secret": "secret"}, CLIENTS) is CLIENT


def test_both_ways_at_once_are_refused() -> None:
    with pytest.raises(TokenError) as caught:
        authenticate_client(basic_authorization("a", "secret"), {"client_secret": "secret"}, CLIENTS)
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff:x").decode(),
        "Basic " + base64.b64encode(b"a").decode(),
        basic_authorization("b", "secret"),
        "Bearer x",
        "",
    ],
)
def test_bad_client_credentials_are_refused(authorization: str) -> None:
    with pytest.raises(TokenError) as caught:
        authenticate_client(authorization, {}, CLIENTS)
    assert (caught.value.status, caught.value.code) == (401, "invalid_client")
