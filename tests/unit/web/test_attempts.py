"""How often one may guess."""

from __future__ import annotations

from sandbox.web.attempts import Attempts


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


def test_table_of_failures_is_bounded() -> None:
    attempts = Attempts(capacity=2)
    for name in ("a", "b", "c"):
        for _ in range(5):
            attempts.failed(0.0, name)
    assert attempts.wait(0.0, "a") == 0
    assert attempts.wait(0.0, "b", "c") > 0
