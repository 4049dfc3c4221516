"""All that goes on for long, by client: decided on again whenever what it rests on changes.

That is when a client's facts change, when his time is over, and when his session or token
ends. Whatever is written here concerns open streams alone: a request that is answered within a
second never comes here. There is one `Stream` for a connection at most, and that bounds all.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from policies.ending import find_end
from policies.engine import decide
from policies.identity import Anonymous, Client, Identity
from policies.model import Snapshot, Unknown
from proxy.deadlines import NEVER
from proxy.looks import Look, Looks
from proxy.ports import Clients, Clock, Facts, Sessions, SessionsUnavailableError
from proxy.stream import Stream

# Clients of whom there is news, who are read at once.
_NEWS_AT_ONCE: Final = 8
# The same for good measure. After a gap in the notices that is everybody, and whoever comes in
# meanwhile needs the database too.
_PATIENT_AT_ONCE: Final = 4
# The provider may take a second for each, and many a subscription renews at the same hour.
_PROVIDER_AT_ONCE: Final = 50
# While a store does not answer.
_AGAIN_S: Final = 1.0
# The backstop for a notice that was lost without anybody knowing.
_LOOK_EVERY_S: Final = 300.0
# What ends within this has a timer of its own; longer than from one sweep to the next.
_SOON_S: Final = 1.0


@dataclass(slots=True)
class _Group:
    """A client's streams, and what he held when that could be read last."""

    streams: set[Stream] = field(default_factory=set)
    snapshot: Snapshot | None = None
    is_unknown: bool = False


class Streams:
    """What is open, in one process. `check` has to be called now and then."""

    def __init__(
        self, facts: Facts, sessions: Sessions, clients: Clients, *, clock: Clock, wall: Clock
    ) -> None:
        self._facts = facts
        self._clock = clock
        self._wall = wall
        self._groups: dict[str, _Group] = {}
        self._by_session: dict[str, set[Stream]] = {}
        self._news = Looks(self._look, self._look_again, at_once=_NEWS_AT_ONCE)
        self._patient = Looks(self._look, self._look_again, at_once=_PATIENT_AT_ONCE)
        self._provider = Looks(self._look, self._look_again, at_once=_PROVIDER_AT_ONCE)
        self._again: dict[str, Look] = {}
        self._again_s = 0.0
        facts.subscribe(self._on_facts)
        clients.subscribe(self._on_closed)
        sessions.subscribe(self._on_session)

    def __len__(self) -> int:
        return sum(len(group.streams) for group in self._groups.values())

    def add(self, stream: Stream) -> None:
        """Watch a stream, and decide on it anew: what it rests on may have changed since."""
        client_id = stream.client.client_id
        group = self._groups.setdefault(client_id, _Group())
        group.streams.add(stream)
        for name in stream.identifier.sessions_of(stream.credential):
            self._by_session.setdefault(name, set()).add(stream)
        stream.look_s = asyncio.get_running_loop().time() + _LOOK_EVERY_S
        look = Look(0)
        if not self._recognize(stream):
            look |= Look.WHO
        facts = self._facts.find(client_id)
        if facts is None:
            group.snapshot = group.snapshot or self._facts.find_last_known(client_id)
            look |= Look.FACTS
        else:
            self._judge(group, facts, (stream,))
        if look and not stream.is_called_off:
            self._news.want(client_id, look)

    def discard(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        if stream.timer is not None:
            stream.timer.cancel()
        for name in stream.identifier.sessions_of(stream.credential):
            same = self._by_session.get(name, set())
            same.discard(stream)
            if not same:
                self._by_session.pop(name, None)
        group = self._groups.get(stream.client.client_id)
        if group is not None:
            group.streams.discard(stream)
            if not group.streams:
                del self._groups[stream.client.client_id]

    def check(self, now: float) -> None:
        """See to what is due soon; `now` is the loop's time in seconds."""
        if self._again and now >= self._again_s:
            again, self._again, self._again_s = self._again, {}, now + _AGAIN_S
            for client_id, look in again.items():
                self._patient.want(client_id, look)
        soon_s = self._clock().timestamp() + _SOON_S
        soon_wall_s = self._wall().timestamp() + _SOON_S
        due = [
            stream
            for group in self._groups.values()
            for stream in group.streams
            if stream.look_s <= now or stream.due_s <= soon_s or stream.until_s <= soon_wall_s
        ]
        for stream in due:
            if stream.is_called_off:
                stream.check(now)
                continue
            if stream.look_s <= now:
                stream.look_s = now + _LOOK_EVERY_S
                self._patient.want(stream.client.client_id, Look.FACTS | Look.WHO)
            self._arm(stream)

    def stop(self) -> None:
        """Look at nothing more."""
        for looks in (self._news, self._patient, self._provider):
            looks.stop()

    # What is heard.

    def _on_facts(self, client_id: str | None) -> None:
        self._on(client_id, Look.FACTS)

    def _on_closed(self, client_id: str | None) -> None:
        self._on(client_id, Look.WHO)

    def _on_session(self, name: str | None) -> None:
        if name is None:
            self._on(None, Look.WHO)
            return
        for stream in tuple(self._by_session.get(name, ())):
            if len(stream.credential.cookies) == 1:
                self._call_off(stream, Anonymous(session_ended=True))
            else:
                # Which of several it rests on, the store tells.
                self._news.want(stream.client.client_id, Look.WHO)

    def _on(self, client_id: str | None, look: Look) -> None:
        if client_id is None:
            for each in self._groups:
                self._patient.want(each, look)
        elif client_id in self._groups:
            self._news.want(client_id, look)

    # What is due.

    def _arm(self, stream: Stream) -> None:
        """Set its timer for what is due soon; what is due later, a sweep finds in its time."""
        timer, stream.timer = stream.timer, None
        if timer is not None:
            timer.cancel()
        if stream.is_called_off:
            return
        wait_s = min(
            stream.due_s - self._clock().timestamp(), stream.until_s - self._wall().timestamp()
        )
        if wait_s < _SOON_S:
            loop = asyncio.get_running_loop()
            stream.timer = loop.call_later(max(0.0, wait_s), self._on_due, stream)

    def _on_due(self, stream: Stream) -> None:
        stream.timer = None
        client_id = stream.client.client_id
        group = self._groups.get(client_id)
        if group is None or stream.is_called_off:
            return
        now = self._clock()
        if stream.until_s <= self._wall().timestamp():
            stream.until_s = NEVER
            self._news.want(client_id, Look.WHO)
        next_at, end = stream.next_at, stream.end
        if next_at is not None and end is not None and next_at <= now:
            if end.at <= now:
                self._judge(group, self._known(client_id, group), (stream,))
            elif not stream.is_looked_at:
                stream.note_look()
                self._provider.want(client_id, Look.PROVIDER)
            else:
                stream.warn(now)
        self._arm(stream)

    def _known(self, client_id: str, group: _Group) -> Snapshot | Unknown:
        """Return what is known of a client without waiting."""
        found = self._facts.find(client_id)
        if found is None and not group.is_unknown:
            found = group.snapshot
        return found or Unknown("what the client holds cannot be read")

    def _judge(self, group: _Group, facts: Snapshot | Unknown, streams: Iterable[Stream]) -> None:
        """Decide anew on each of the streams."""
        last = group.snapshot
        if isinstance(facts, Snapshot):
            # Of two looks at once the later one may be done first.
            facts = last if last is not None and last.version > facts.version else facts
            group.snapshot = last = facts
        group.is_unknown = last is not facts
        now = self._clock()
        for stream in streams:
            requirement = stream.matched.route.requirement
            decision = decide(requirement, stream.client, facts, now, last)
            if decision.is_allowed:
                end = None if last is None else find_end(requirement, stream.client, last, now)
                stream.renew(end, last)
            else:
                stream.refuse(decision, last, now)
            self._arm(stream)

    # What is read.

    def _look_again(self, client_id: str, look: Look) -> None:
        self._again[client_id] = self._again.get(client_id, Look(0)) | look

    async def _look(self, client_id: str, look: Look) -> None:
        if look & (Look.FACTS | Look.PROVIDER) and client_id in self._groups:
            facts = await self._read(client_id, look)
            group = self._groups.get(client_id)
            if group is not None:
                self._judge(group, facts, tuple(group.streams))
                if isinstance(facts, Unknown):
                    self._look_again(client_id, Look.FACTS)
        if look & Look.WHO and client_id in self._groups:
            for stream in tuple(self._groups[client_id].streams):
                await self._identify(stream)

    async def _read(self, client_id: str, look: Look) -> Snapshot | Unknown:
        if not look & Look.PROVIDER:
            return await self._facts.read(client_id)
        if self._facts.may_refresh(client_id):
            return await self._facts.read_refreshed(client_id)
        return await self._facts.read_truth(client_id)

    def _recognize(self, stream: Stream) -> bool:
        """Tell whether it is known without waiting that who asked may still do so."""
        identity = stream.identifier.recall(stream.credential, _host_of(stream))
        if identity != stream.client:
            return False
        self._note_end(stream)
        return True

    def _note_end(self, stream: Stream) -> None:
        until_at = stream.identifier.find_end(stream.credential)
        # What has ended already was another cookie beside the one that holds.
        if until_at is None or until_at <= self._wall():
            stream.until_s = NEVER
        else:
            stream.until_s = until_at.timestamp()

    async def _identify(self, stream: Stream) -> None:
        """End a stream whose session or token has ended."""
        if stream.is_called_off or self._recognize(stream):
            return
        try:
            identity = await stream.identifier.identify(stream.credential, _host_of(stream))
        except SessionsUnavailableError:
            # Not knowing is no reason to end.
            self._look_again(stream.client.client_id, Look.WHO)
            return
        if identity == stream.client:
            self._note_end(stream)
            return
        # Another client than the one who asked is nobody here.
        self._call_off(
            stream, Anonymous(session_ended=True) if isinstance(identity, Client) else identity
        )

    def _call_off(self, stream: Stream, who: Identity) -> None:
        """End a stream of which it is known that this is who asks."""
        stream.call_off(decide(stream.matched.route.requirement, who, None, self._clock()))


def _host_of(stream: Stream) -> str:
    return stream.matched.app.host
