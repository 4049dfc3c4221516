"""What is paid: from a provider's word to the grants that open doors.

What comes in: signed events (`webhooks/`), the return from a hosted checkout
(`checkout`), an operator's or client's wish (`checkout`, later `api`). What
decides: `transitions` and `entitled_until`, pure functions over the current object
that a provider gave (`providers/`). What goes out: one transaction of facts, grants
and audit (`apply`, `storage/`), and a notice to every cache (`entitlements/`).

Top files are used by the sub-folders, never the other way but through `ports`;
sub-folders meet only in `storage`.
"""
