"""What a connection to an app tells: to whoever asked, and to where it comes from."""

from typing import TYPE_CHECKING, Protocol

from proxy.upstreams.errors import UpstreamError
from proxy.wire.chunks import Fields
from proxy.wire.head import ResponseHead

if TYPE_CHECKING:
    from proxy.upstreams.connection import UpstreamConnection


class Receiver(Protocol):
    """Whoever asked; called in the order of the answer's parts."""

    def on_interim(self, head: ResponseHead) -> None:
        """Take an answer 1xx, which another one follows."""
        ...

    def on_head(self, head: ResponseHead) -> None:
        """Take the answer's head."""
        ...

    def on_switch(self, head: ResponseHead, rest: bytes) -> None:
        """Take an answer 101 and what came behind it; the connection is the receiver's now."""
        ...

    def on_body(self, data: bytes) -> None:
        """Take some of the answer's body."""
        ...

    def on_read(self) -> None:
        """Take note that this is all that has come for now."""
        ...

    def on_end(self, trailers: Fields) -> None:
        """Take note that the answer is whole; the connection is not the receiver's any more."""
        ...

    def on_failure(self, error: UpstreamError) -> None:
        """Take note that no more will come; the connection is closed."""
        ...

    def on_upload_paused(self, *, is_paused: bool) -> None:
        """Hold the request's body back, or let it come again."""
        ...


class Owner(Protocol):
    """Where connections come from and go back to."""

    def on_opened(self, connection: "UpstreamConnection") -> None:
        """Count the connection."""
        ...

    def on_idle(self, connection: "UpstreamConnection") -> None:
        """Take the connection back: another request may go over it."""
        ...

    def on_handed_over(self, connection: "UpstreamConnection") -> None:
        """Take note that a WebSocket has the connection now; it will only be closed."""
        ...

    def on_closed(self, connection: "UpstreamConnection") -> None:
        """Forget the connection."""
        ...
