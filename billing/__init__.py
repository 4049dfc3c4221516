"""What is paid: from a provider's word to the grants that open doors.

What comes in: signed events (`webhooks/`), the return from a hosted checkout
(`checkout`), an operator's or client's wish (`checkout`, later `api`). Each names an
object to read again (`apply`, `applying/`, `providers/`), which becomes rows: the facts
(`facts`, `transitions`, `storage/`). What decides: `derive` and `entitled_until`, pure
functions over all facts of a client. What goes out: one transaction of facts, grants
and audit, and a notice to every cache (`entitlements/`).

Top files are used by the sub-folders, never the other way but through `ports` and by
`apply` and `checkout`, which put the sub-folders to use; these meet only in `storage`.
"""
