"""Operators' commands on the database: `tollway NAME …`, a file each.

apps          the apps that commands name
audit         what was done, and whether what is written of it is whole
clients       who there is, and what there is about one
keys          the keys of the personal data and of the audit
printing      tables
progress      the bar of long commands
session       opens the database of a configuration, or of `tollway up`, with its keys
credentials   what programs prove themselves with
printing      tables
session       opens the database of a configuration, or of `tollway up`, with its keys
signing_keys  the keys that sign tokens
token         a token for calls of the API
"""
