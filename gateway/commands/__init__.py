"""Operators' commands on the database: `tollway NAME …`, a file each.

apps          the apps that commands name
audit         what was done, and whether what is written of it is whole
clients       who there is, and what there is about one
credentials   what programs prove themselves with
events        what came in from the payment provider, and another try for what failed
instants      times that operators write
keys          the keys of the personal data and of the audit
loading       how the command line knows these, and loads one when it is used
printing      tables
progress      the bar of long commands
reconcile     compares our rows with the provider's, shows the difference, and mends it
session       opens the database of a configuration, or of `tollway up`, with its keys
signing_keys  the keys that sign tokens
token         a token for calls of the API
"""
