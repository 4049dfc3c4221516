"""What can go wrong between the gateway and an app, before the visitor has had an answer."""


class UpstreamError(Exception):
    """The app could not be reached, or broke off before it answered; the message is for logs."""


class UpstreamTimeoutError(UpstreamError):
    """The app stayed silent for too long."""


class UpstreamBusyError(UpstreamError):
    """No server of the app takes another request just now."""
