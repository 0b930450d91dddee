"""Regulators who search: `locust -f load/locustfile.py --headless -u 50 -r 10 -t 60s`.

Each user logs in to the SAS API once, then searches specialties and towns at random. `SANDBOX_ENDPOINTS` names the
endpoints.json of the sandbox (default `.sandbox/endpoints.json`); nothing else is assumed, so the same profile can be
used with another platform. A search whose answer is partial counts as a failure.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from locust import FastHttpUser, between, task

ENDPOINTS = json.loads(Path(os.environ.get("SANDBOX_ENDPOINTS", ".sandbox/endpoints.json")).read_text("utf-8"))
SPECIALTIES = ("SM54", "SM54", "SM54", "SM26", "SM53")
TOWNS = ("33063", "33281", "33318", "35238", "35288", "69123", "69266")


class Regulator(FastHttpUser):
    """One regulator at work."""

    host = ENDPOINTS["sas"]["api"]
    wait_time = between(0.5, 2)
    network_timeout = 30.0
    connection_timeout = 5.0

    def on_start(self) -> None:
        """Log in: the token is valid for the whole run."""
        account = random.choice(ENDPOINTS["examples"]["regulators"])
        body = {"identifier": account["identifier"], "password": account["password"]}
        with self.client.post("/login", json=body, name="login") as answer:
            self.headers = {"Authorization": f"Bearer {answer.json()['token']}"}

    @task
    def search(self) -> None:
        """Make one search; its content decides whether it counts as a failure."""
        parameters = f"specialty={random.choice(SPECIALTIES)}&insee={random.choice(TOWNS)}"
        with self.client.get(
            f"/search?{parameters}", headers=self.headers, name="search", catch_response=True
        ) as answer:
            if answer.status_code == 200 and answer.json()["partial"]:
                answer.failure("partial: " + ", ".join(e["slug"] for e in answer.json()["editors"] if e.get("reason")))
