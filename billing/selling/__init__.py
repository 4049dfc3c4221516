"""What clients, apps and operators may do with money and access.

checkout       buying a plan on a provider's hosted page; never twice
holdings       what a client has already, and what that means for a purchase; pure
changes        another plan or quantity, cancelling, resuming
refunds        giving money back
portal         the provider's page where a client mends its payment
payments       payments as whoever asks for them sees them
grants         access that an operator gives by hand
blocks         bars that an operator lays over every grant
access         the transaction in which an operator changes access
account        what clients do on their own account page
commands       everything asked of a provider is a row first, so that no crash loses or repeats it
janitor        carries out what a crash or an outage left undone
"""
