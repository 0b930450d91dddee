"""L02-1, L02-3, L02-12 to L02-14: what is seen around the messages, mostly by the control plane of a sandbox."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from sandbox.check.evidence import Exchange
from sandbox.check.lrm.desk import Desk
from sandbox.check.verdicts import Passed, Text
from sandbox.edxl.codes import XML, HubCode

ACKED_S, BACK_S = 8.0, 30.0  # s for deliveries to be acked, for an LRM to come back
_PAUSE = 0.5
_SEEN_S = 5.0  # s after which the hub's report has a connection
_REFUSED = 403
_ALONE = (
    "seul le Hub d'un bac à sable qui tourne le montre (control.api de la cible)",
    "only the hub of a running sandbox shows it (control.api of the target)",
)


async def deliveries(desk: Desk) -> None:
    """L02-3: no message died in the LRM's queue, none stays unacknowledged."""
    dead = desk.post.take(lambda each: each.code == HubCode.DEAD_LETTER_QUEUED)
    if dead is not None:
        text = Text("une livraison a été rejetée", "a delivery was rejected")
        evidence = Exchange("CONSUME", f"{desk.post.sender}.{dead.queue}", desk.post.sender, word=dead.word)
        desk.fault("L02-3", "basic.reject", text, (dead.word, "basic.ack"), evidence)
        return
    queue, until = f"{desk.target.client_id}.message", time.monotonic() + ACKED_S
    while (state := await desk.control.queue(queue)) is not None:
        unacked = state.get("unacked")
        if unacked is None or not unacked or time.monotonic() > until:
            break
        await asyncio.sleep(_PAUSE)
    if state is None or state.get("unacked") is None:
        desk.skip(["L02-3"], *_ALONE)
        return
    evidence = _report(desk, state)
    if state["unacked"]:
        text = Text("des livraisons ne sont pas acquittées", "deliveries are not acked")
        desk.fault("L02-3", "basic.ack", text, (f"{state['unacked']}", "0"), evidence)
        return
    fr = "l'ordre « enregistrer, puis acquitter » ne se voit pas du dehors : arrêtez votre LRM pendant une rafale"
    note = Text(fr, "whether it stores before it acks is not seen from outside: kill your LRM during a burst")
    desk.observed.append(Passed("L02-3", evidence, note))


async def reconnection(desk: Desk) -> None:
    """L02-12: its connections are cut while a message passes; it must come back and take that message and the next."""
    client = desk.target.client_id
    wanted = {"kind": "disconnect", "target": "hub", "count": 1, "params": {"who": client, "client": desk.post.sender}}
    made = await desk.control.call("POST", "faults", wanted)
    if made is None:
        desk.skip(["L02-12"], *_ALONE)
        return
    try:
        sent = await desk.send(desk.appointment(), "création pendant une coupure")
        found = await desk.answer(sent, BACK_S)
    finally:
        await desk.control.call("DELETE", f"faults/{made.get('id')}")
    if found is None or not await _consumed(desk):
        text = Text(f"le LRM n'est pas revenu en {BACK_S:g} s", f"the LRM did not come back within {BACK_S:g} s")
        desk.fault("L02-12", "connexion", text, ("rien", "Ack"), desk.exchange(sent, found))
    else:
        await desk.taken(await desk.send(desk.appointment(), "création après une coupure"), "L02-12")


async def _consumed(desk: Desk) -> bool:
    """Whether somebody consumes the LRM's queue within BACK_S."""
    until = time.monotonic() + BACK_S
    while time.monotonic() < until:
        if (await desk.post.inspect(f"{desk.target.client_id}.message") or (0, 0))[1]:
            return True
        await asyncio.sleep(_PAUSE)
    return False


async def declarations(desk: Desk) -> None:
    """L02-1: refusals of the hub since the LRM's present connections began."""
    client, until, since = desk.target.client_id, time.monotonic() + ACKED_S, list[float]()
    while (report := await desk.control.report()) is not None and report.get("connections") is not None:
        since = [each["since"] for each in report["connections"] if each.get("client") == client]
        if since or time.monotonic() > until:
            break
        await asyncio.sleep(_PAUSE)
    if report is None or report.get("connections") is None:
        desk.skip(["L02-1"], *_ALONE)
        return
    refusals = [
        each
        for each in report.get("refusals", ())
        if each.get("client") == client
        and each.get("code") == _REFUSED
        and since
        and each["last"] >= min(since) - _SEEN_S
    ]
    evidence = _report(desk, {"connections": len(since), "refusals": refusals})
    if refusals:
        text = Text("le Hub a refusé une déclaration ou un accès", "the hub refused a declaration or an access")
        desk.fault("L02-1", "queue.declare", text, (str(refusals[0].get("text")), "passive"), evidence)
    elif not since:
        desk.skip(["L02-1"], "le LRM n'est pas connecté au Hub", "the LRM is not connected to the hub")
    else:
        desk.observed.append(Passed("L02-1", evidence))


async def history(desk: Desk) -> None:
    """L02-13: by the interface of the sandbox's own LRMs; any other LRM shows it to people."""
    url = f"{desk.target.ui}/api/received?limit=2000"
    found = await desk.control.call("GET", url) if desk.target.ui else None
    rows = found.get("received") if found is not None else None
    if not isinstance(rows, list):
        fr = "l'historique se montre dans vos écrans : cherchez-y les rendez-vous ESSAI de cet examen"
        desk.skip(["L02-13"], fr, "the history is shown by your pages: look there for the appointments ESSAI")
        return
    done = {each.get("distributionID"): each.get("done") for each in rows if isinstance(each, dict)}
    missing = [each for each in desk.sent if not done.get(each)]
    evidence = Exchange("GET", url, "", status=200, body=orjson.dumps(rows[:20]))
    if missing:
        text = Text("des messages manquent à l'historique", "messages are missing from the history")
        desk.fault("L02-13", missing[0], text, (f"{len(missing)}", "0"), evidence)
    else:
        desk.observed.append(Passed("L02-13", evidence))


async def xml(desk: Desk) -> None:
    """L02-14: where the LRM is registered for XML; a message sent as XML reaches it like the others."""
    if await _form(desk) != "xml":
        fr = "rien ne dit que le LRM est inscrit pour XML (lrms[].format) : il reçoit du JSON"
        desk.skip(["L02-14"], fr, "nothing says that the LRM is registered for XML (lrms[].format): it receives JSON")
        return
    await desk.taken(await desk.send(desk.appointment(), "création en XML", XML), "L02-14")


async def _form(desk: Desk) -> str:
    if desk.target.form:
        return desk.target.form
    clients = (await desk.control.call("GET", "hub/clients") or {}).get("clients", [])
    return next((str(each.get("format")) for each in clients if each.get("id") == desk.target.client_id), "")


def _report(desk: Desk, seen: Any) -> Exchange:
    return Exchange("GET", f"{desk.control.api}/hub", "", status=200, body=orjson.dumps(seen))
