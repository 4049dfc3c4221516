"""Keys for what the database must not show or forge.

keyring    the keys of the configuration: seals and opens values, indexes them, signs the audit
sealing    where sealed values belong: the contexts, and personal fields
rotation   gives every sealed value the newest key
"""
