"""What can go wrong in billing, grouped by what the caller can do about it.

BillingError
+- Unavailable         try again: a store or provider did not answer
+- ProviderRefused     give up: the provider understood and said no
   +- NoSuchObject     there is nothing under this id, and there will not be
   +- PaymentNeeded    the client has to pay first; nothing was changed
+- BadEvent            tell the sender: the event is not authentic or not an event
+- UnknownPlan         tell the client: there is no such plan to buy
+- InvalidClient       tell the caller: a client cannot be called or written to so
+- ClientExists        tell the caller: there is a client of this external id
+- NoSuchClient        tell the caller: there is no such client
+- UnknownFeature      tell the caller: no such app or feature is configured
+- NotFound            tell the caller: the client has nothing under this id
+- NotPossible         tell the caller: what is there does not allow it; nothing was asked
+- KeyConflict         tell the caller: this key was used for something else
+- CatalogConflict     wake the operator: the configuration contradicts what was sold
+- KeyRing             wake the operator: the configured keys cannot be used
+- UnknownKey          wake the operator: a row needs a key that is not configured
+- Damaged             wake the operator: a sealed row was changed by somebody
+- Credential          tell the operator: there is no such credential, or cannot be
+- Access              tell the caller: it may not
   +- NoToken          come again with a token
   +- InvalidToken     come again with another token
   +- NotPermitted     not with this token
   +- NotYours         for this caller there is no such thing
"""


class BillingError(Exception):
    """Every error that billing raises on purpose."""


class UnavailableError(BillingError):
    """A store or provider did not answer in time; the same call may be made again."""


class ProviderRefusedError(BillingError):
    """The provider answered and refused; the same call would be refused again."""


class NoSuchObjectError(ProviderRefusedError):
    """The provider has nothing under this id."""


class PaymentNeededError(ProviderRefusedError):
    """The change needs money that could not be had; nothing was changed.

    `url` is where the client can pay, if there is such a page: the change holds after that.
    """

    def __init__(self, message: str, url: str | None = None) -> None:
        super().__init__(message)
        self.url = url


class BadEventError(BillingError):
    """A webhook's signature or body is not what its provider sends."""


class UnknownPlanError(BillingError):
    """No plan of that id is for sale."""


class InvalidClientError(BillingError):
    """A client's name, e-mail or external id is none; the message says why and shows nothing."""


class ClientExistsError(BillingError):
    """There is a client of this external id already."""


class NoSuchClientError(BillingError):
    """There is no client of this id, or not any more."""


class UnknownFeatureError(BillingError):
    """No app, or no feature of it, is configured under that name."""


class NotFoundError(BillingError):
    """The client has nothing under this id."""


class NotPossibleError(BillingError):
    """What is there does not allow it; the message says why. Nothing was asked of a provider."""


class KeyConflictError(BillingError):
    """The key was used before, for something else."""


class CatalogConflictError(BillingError):
    """A published plan version was changed; the message says what to do."""


class KeyRingError(BillingError):
    """The configured keys cannot be used; the message says what to do and shows no key."""


class UnknownKeyError(BillingError):
    """A value was sealed with a key that the ring has not."""


class DamagedError(BillingError):
    """A sealed value was changed, or moved from where it belongs."""


class CredentialError(BillingError):
    """What was asked for a credential cannot be; the message says why."""


class AccessError(BillingError):
    """A caller of the API may not do what it asks for; the message may be told to it.

    `challenge` is what `WWW-Authenticate` says (RFC 6750, section 3), None where another
    token would not help.
    """

    challenge: str | None = None


class NoTokenError(AccessError):
    """No token came along."""

    challenge = 'Bearer realm="tollway"'


class InvalidTokenError(AccessError):
    """The token is not good; whoever has it needs another one."""

    challenge = 'Bearer realm="tollway", error="invalid_token"'


class NotPermittedError(AccessError):
    """The token is good, and is not for this; `scope` is the one that is missing, if one is."""

    def __init__(self, why: str, scope: str | None = None) -> None:
        super().__init__(why)
        if scope is not None:
            self.challenge = f'Bearer realm="tollway", error="insufficient_scope", scope="{scope}"'


class NotYoursError(AccessError):
    """It belongs to somebody else, or is not there at all: the caller is told no difference."""
