"""`sas-sandbox l02 send`: trial messages for an LRM, from a spare client of the hub, and what comes back."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from sandbox.commands.options import Commands, directory_options, settings_of
from sandbox.edxl.trials import CASES
from sandbox.kernel.errors import UsageError

if TYPE_CHECKING:
    from sandbox.edxl.message import Message
    from sandbox.edxl.trials import TrialMessage
    from sandbox.net.amqp.one_shot_client import Access

TIMEOUT_S = 10.0


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.add_parser("l02", help="send trial messages to an LRM").add_subparsers(required=True)
    text = "publish a trial message on the hub of the sandbox that runs and show what the LRM answers"
    parser = group.add_parser("send", help=text, description=text)
    directory_options(parser)
    parser.add_argument("--to", required=True, metavar="ID", help="client id of the LRM")
    parser.add_argument("--case", required=True, choices=CASES, help="what to send")
    parser.add_argument("--as", dest="sender", metavar="ID", help="client id that sends (the first spare client)")
    parser.add_argument("--format", choices=("json", "xml"), default="json", help="form of what is sent (json)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S", help="how long to wait for answers")
    parser.set_defaults(run=_send)


def _send(options: argparse.Namespace) -> int:
    from sandbox.commands.running import Running
    from sandbox.net.amqp.one_shot_client import access

    running = Running(settings_of(options, "data_dir"))
    document = running.get("/endpoints")
    known = [client["id"] for client in running.get("/hub/clients")["clients"]]
    sender = options.sender or next(iter(document["hub"]["spare_clients"]), "")
    for name in (options.to, sender):
        if name not in known:
            raise UsageError(f"l02: '{name}' is no client of the hub (known: {', '.join(known)})")
    if not 0 < options.timeout <= 600:
        raise UsageError("l02: --timeout must be over 0, at most 600")
    try:
        where = access(document, sender)
    except (KeyError, OSError):
        raise UsageError(f"l02: there is no certificate of '{sender}' to connect with") from None
    return asyncio.run(_try(options, where, document["now"]))


async def _try(options: argparse.Namespace, where: Access, now: str) -> int:
    """0 when every message was answered as the guide wants it."""
    from sandbox.edxl.codes import FORMS
    from sandbox.edxl.message import written
    from sandbox.edxl.trials import Correspondents, trial
    from sandbox.kernel.clock import parse_datetime
    from sandbox.kernel.entropy import Entropy
    from sandbox.net.amqp.one_shot_client import one_shot_client

    between = Correspondents(where.client_id, options.to, parse_datetime(now), Entropy(os.urandom).uuid)
    good, form = True, FORMS[options.format]
    async with one_shot_client(where) as client:
        for message in trial(options.case, between):
            body = written(message.body, form)
            await client.publish(body, message.distribution_id, content_type=form)
            _say(f"→ {message.title} {message.distribution_id} : confirmée par le Hub")
            found = await client.answers(1, options.timeout)
            for answer in found:
                _say(f"← {_told(answer)}")
            if not found:
                _say(f"✘ aucune réponse en {options.timeout:g} s")
            good &= bool(found) and _is_expected(message, found[0])
    if not good:
        _say("✘ ce n'est pas ce que le guide demande")
    return 0 if good else 1


def _is_expected(message: TrialMessage, answer: Message) -> bool:
    code = int(answer.error["errorCode"]["statusCode"]) if answer.error is not None else 0
    refused = answer.reference is not None and bool(answer.reference.get("refused"))
    return code == message.expected and not refused


def _told(answer: Message) -> str:
    if answer.error is not None:
        code: Any = answer.error["errorCode"]
        return f"{answer.sender} : erreur {code['statusCode']} {code['statusString']} : {answer.error['errorCause']}"
    reference: Any = answer.reference or {}
    step = f" {reference['step']}" if "step" in reference else ""
    refused = f", refusé par {reference['errorDistributionID']}" if reference.get("refused") else ""
    return f"{answer.sender} : acquittement{step}{refused}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
