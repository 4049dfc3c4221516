"""What stops a start: each error is one line that says what is wrong and what to do."""


class StartError(Exception):
    """The gateway cannot start; the message is for the operator, and complete."""
