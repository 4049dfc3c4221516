"""The HTTP API: one table makes its routes, its checks, and its document.

What there is: `operations` (the table, in `table/`; `operation` is a line of it), `models`
(what comes in and goes out), `path` (what stands in the braces), `problems` (what can go wrong).
The way of a call: `dispatch`, which shows all of it. What the document is: `openapi`.

reading         reads a request strictly; pure
call            one call under way, and what carries it out
idempotency     what is sent again is carried out once
errors          from billing's errors to problems
resources       what carries each line of the table out; `parts` joins them
places          where clients come back to; pure
cursor, lists   lists, a part at a time; pure
beside          what the document says of calls that the table does not make
pages           `/openapi.json`, and `/docs` (`static/`; Swagger UI is others' work)
wrong_turns     paths and methods that are not there
ports           what the API needs of billing
"""
