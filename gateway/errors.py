"""What stops a start or a command: each error says what is wrong and what to do."""


class StartError(Exception):
    """The gateway cannot start; the message is for the operator, and complete."""


class StoreDownError(StartError):
    """The database does not answer, or has not been brought up to date: it may be, later."""


class RefusedError(Exception):
    """A running gateway did not do what it was asked; the message is printed as it is."""
