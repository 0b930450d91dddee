"""What a RabbitMQ imports to be the hub."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from sandbox.cli import main
from sandbox.hub.rabbitmq.definitions import definitions

CLIENTS, VHOSTS = ("fr.health.samu330", "fr.health.samuA"), ("15-15_v2.0", "/")


def made(password: str | None = None) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(definitions(CLIENTS, VHOSTS, ttl_ms=1000, password=password))
    return found


def test_same_clients_give_the_same_octets() -> None:
    assert definitions(CLIENTS, VHOSTS, ttl_ms=1, password="p") == definitions(CLIENTS, VHOSTS, ttl_ms=1, password="p")


def test_the_limit_of_queues_is_part_of_the_policy():
    found = json.loads(definitions(CLIENTS, VHOSTS, ttl_ms=1, password=None, most=7))
    assert {policy["definition"]["max-length"] for policy in found["policies"]} == {7}
    without = json.loads(definitions(CLIENTS, VHOSTS, ttl_ms=1, password=None))
    assert not any("max-length" in policy["definition"] for policy in without["policies"])


def test_clients_read_their_own_queues_and_publish_to_hubsante_under_their_own_name() -> None:
    (rights,) = [each for each in made()["permissions"] if (each["user"], each["vhost"]) == (CLIENTS[0], "/")]
    readable = ("fr.health.samu330.message", "fr.health.samu330.ack", "fr.health.samu330.info")
    assert all(re.search(rights["read"], queue) for queue in readable)
    assert not re.search(rights["read"], "frXhealth.samu330.message")
    assert not re.search(rights["read"], "fr.health.samu330.message2")
    assert (rights["configure"], rights["write"]) == ("^$", "^hubsante$")
    (topic,) = [each for each in made()["topic_permissions"] if (each["user"], each["vhost"]) == (CLIENTS[0], "/")]
    assert (topic["exchange"], topic["write"]) == ("hubsante", r"^fr\.health\.samu330$")


def test_policy_meets_client_queues_and_no_others() -> None:
    policy = made()["policies"][0]
    assert policy["definition"] == {"message-ttl": 1000, "dead-letter-exchange": "distribution.dlx"}
    met = [queue["name"] for queue in made()["queues"] if re.search(policy["pattern"], queue["name"])]
    assert len(met) == 2 * 3 * len(CLIENTS)
    assert not {"dispatch", "dispatch.dlq"} & {*met}


def test_dispatcher_is_a_user_who_may_do_everything() -> None:
    (rights,) = [each for each in made()["permissions"] if (each["user"], each["vhost"]) == ("fr.health.hub", "/")]
    assert {rights["configure"], rights["write"], rights["read"]} == {".*"}


def test_passwords_are_salted_hashes_and_certificates_need_none() -> None:
    assert {user["password_hash"] for user in made()["users"]} == {""}
    users = made("geheim")["users"]
    raw = base64.b64decode(users[0]["password_hash"])
    assert raw[4:] == hashlib.sha256(raw[:4] + b"geheim").digest()
    assert len({user["password_hash"] for user in users}) == 3


def test_command_prints_them_for_the_configured_sandbox(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hub", "definitions", "--data-dir", str(tmp_path), "--preset", "minimal"]) == 0
    users = [user["name"] for user in json.loads(capsys.readouterr().out)["users"]]
    assert users[:2] == ["fr.health.hub", "fr.health.test.ptfsas"]
    assert "fr.health.samu999" in users


def test_unwritable_file_is_one_line_and_exit_code_2(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "no" / "file.json"
    assert main(["hub", "definitions", "--data-dir", str(tmp_path), "--preset", "minimal", "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"sas-sandbox: hub: {out}: No such file or directory\n"
