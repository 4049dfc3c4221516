"""Who asks: the outcomes of identification, as `proxy.identity` reports them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credential came with the request, or a session that has ended.

    An ended session is not a wrong credential: its owner is simply signed out, and
    may read public pages like anybody.
    """

    session_ended: bool = False


@dataclass(frozen=True, slots=True)
class BadCredential:
    """A credential came and is wrong; `why` is for logs and for the 401's detail.

    Never treated as anonymous: a program whose key is wrong has to hear of it.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Client:
    """An identified client; `method` is `session` or `token`."""

    client_id: str
    method: str


Identity = Anonymous | BadCredential | Client
