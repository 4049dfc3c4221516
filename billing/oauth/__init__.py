"""Who calls the API: tokens for programs (OAuth 2), and what they permit.

What comes in: a credential's request for a token (`form`, from `endpoint`), or a
token on a call of the API (`guard`, `bearer`). What decides: `rotation`, `claims` and
`policies.permission`, pure. What goes out: a signed token (`issuing`), a `Caller`
(`verify`), or a denial, which is audited (`denials` counts them).

credential      secrets of programs: made once, kept as hashes
registry        the credentials, as operators keep them
operator        tokens that operators make for themselves
limiter         how often somebody may try
rotation        which key signs, which ones verify, which ones are published
signing         the keys themselves, kept sealed in Postgres
standing        whether a credential or client still is what its token says
ports           what is needed: a sealer
"""
