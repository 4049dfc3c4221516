"""Operators' commands on the database: `tollway NAME …`, a file each.

session     opens the database of a configuration, or of `tollway up`, with its keys
"""
