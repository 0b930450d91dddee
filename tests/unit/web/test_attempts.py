"""The limit on login attempts."""

from __future__ import annotations

from sandbox.web.attempts import Attempts, account_name, stranger_name


def test_fifth_failure_within_a_minute_makes_wait() -> None:
    attempts = Attempts()
    for at in range(4):
        attempts.failed(float(at), "lea")
    assert attempts.wait(4.0, "lea") == 0
    attempts.failed(10.0, "lea")
    assert attempts.wait(20.0, "LEA", "other") == 40.0
    assert attempts.wait(20.0, "other") == 0
    assert attempts.wait(60.0, "lea") == 0


def test_success_forgets_failures() -> None:
    attempts = Attempts()
    for _ in range(5):
        attempts.failed(0.0, "lea")
    attempts.succeeded("Lea")
    assert attempts.wait(0.0, "lea") == 0


def test_an_account_and_what_somebody_typed_are_never_taken_for_each_other() -> None:
    assert account_name("1") != stranger_name("1")
    assert account_name("1") != stranger_name(account_name("1"))


def test_a_name_however_long_counts_and_takes_little_room() -> None:
    attempts = Attempts()
    for _ in range(5):
        attempts.failed(0.0, stranger_name("x" * 100_000))
    assert attempts.wait(1.0, stranger_name("x" * 100_000)) > 0
    assert max(map(len, attempts._failures)) <= 200


def test_table_of_failures_is_bounded() -> None:
    attempts = Attempts(capacity=2)
    for name in ("a", "b", "c"):
        for _ in range(5):
            attempts.failed(0.0, name)
    assert attempts.wait(0.0, "a") == 0
    assert attempts.wait(0.0, "b", "c") > 0
