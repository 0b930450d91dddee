"""How the communities that are asked to take patients answer (marketplace): read, changed, or reset.

A behaviour is a switch of the World (`faults.communities`). It concerns requests that come in after the change.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sandbox.control.world.worlds import Worlds
from sandbox.faults.communities import ANY_MEMBER, DEFAULT, Answer, Behaviour, behaviour_of, problems, with_behaviour
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.identifiers import prefixed_person
from sandbox.kernel.model import Community
from sandbox.kernel.world import World
from sandbox.population.people import Population

_MEMBER = f"member who accepts, by national id; '{ANY_MEMBER}': one is drawn; null: the first one"


class CommunityBehaviour(msgspec.Struct):
    """How a community answers a request that comes in now."""

    answer: Answer
    after_s: Annotated[float, Meta(description="seconds of the sandbox's clock until the answer")]
    p95_s: Annotated[
        float | None,
        Meta(description="then `after_s` is the median of a log-normal distribution, and 95 of 100 come within this"),
    ]
    practitioner: Annotated[str | None, Meta(description=_MEMBER)]
    probability: Annotated[
        float,
        Meta(
            description="share of requests answered so, over 0 to 1; the others are refused when `answer` is accept or "
            "by-hand, and accepted when it is refuse or nobody"
        ),
    ]


class CommunityBehaviourRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A behaviour; what is left out has its usual value."""

    answer: Answer
    after_s: float = DEFAULT.after_s
    p95_s: float | None = None
    practitioner: str | None = None
    probability: float = DEFAULT.probability


class CommunityMember(msgspec.Struct):
    """A practitioner who may accept. `id`: prefixed national id."""

    id: str
    name: str


class CommunityDocument(msgspec.Struct):
    """A community, its members in the order in which they are asked, and how it answers."""

    id: str
    kind: str
    name: str
    editor: str
    members: list[CommunityMember]
    behaviour: CommunityBehaviour


class Communities:
    """The behaviours in the World. Every change is durable and known to all roles when the call returns."""

    def __init__(self, worlds: Worlds, population: Population) -> None:
        self._worlds, self._population = worlds, population

    def all(self) -> list[Community]:
        """Those whose editor the sandbox runs itself; a vendor's own server answers as it likes. Blocks for most of a
        second when there are many and nobody has asked for them yet: call it in a thread."""
        return [each for each in self._population.communities.values() if self._is_hosted(each)]

    def community(self, id: str) -> Community:
        """One of them. Raises RequestError 404."""
        found = self._population.communities.get(id)
        if found is None or not self._is_hosted(found):
            raise RequestError(404, Issue("not-found", f"no community '{id}' here (GET __admin/communities)", "id"))
        return found

    def of(self, community: Community) -> Behaviour:
        """How a community answers now."""
        return behaviour_of(community.id, self._worlds.world.switches)

    def behaviour(self, community: Community) -> CommunityBehaviour:
        """The same, as the API answers it."""
        return CommunityBehaviour(**msgspec.structs.asdict(self.of(community)))

    def documents(self) -> list[CommunityDocument]:
        """All of them as the API answers them; blocks as `all`."""
        return [self.document(each) for each in self.all()]

    def document(self, community: Community) -> CommunityDocument:
        """A community as the API answers it."""
        return CommunityDocument(
            id=community.id,
            kind=community.kind,
            name=community.name,
            editor=community.editor,
            members=self.members(community),
            behaviour=self.behaviour(community),
        )

    def members(self, community: Community) -> list[CommunityMember]:
        """The members whom the population knows."""
        people = [person for id in community.members if (person := self._population.doctor(id)) is not None]
        return [CommunityMember(person.id, f"{person.given} {person.family}") for person in people]

    async def put(self, community: Community, wanted: CommunityBehaviourRequest) -> None:
        """Change a behaviour. Raises RequestError 422 with everything that is wrong, Laggards."""
        behaviour = Behaviour(**msgspec.structs.asdict(wanted))
        if behaviour.practitioner not in (None, ANY_MEMBER):
            behaviour = msgspec.structs.replace(behaviour, practitioner=prefixed_person(str(behaviour.practitioner)))
        found = list(problems(behaviour, community.members))
        if found:
            raise RequestError(422, *(Issue("value", problem, where) for where, problem in found))
        await self._revise(community, behaviour)

    async def reset(self, community: Community) -> None:
        """The first member accepts again, after some seconds. Raises Laggards."""
        await self._revise(community, DEFAULT)

    async def _revise(self, community: Community, behaviour: Behaviour) -> None:
        def revised(world: World) -> World:
            return msgspec.structs.replace(world, switches=with_behaviour(world.switches, community.id, behaviour))

        await self._worlds.revise(revised)

    def _is_hosted(self, community: Community) -> bool:
        editor = self._population.editors.get(community.editor)
        return editor is not None and not editor.external
