"""The one page of the request path: what a person sees when a request comes to nothing.

Whole in itself, since what it would load could be what is in trouble.
"""

from collections.abc import Mapping
from html import escape
from string import Template

from proxy.problems import Problem

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>$title</title>
  <style>
    body { max-width: 40rem; margin: 0 auto; padding: 3rem 1.25rem; font: 1.05rem/1.55 system-ui, sans-serif; }
    h1 { font-size: 1.8rem; line-height: 1.2; overflow-wrap: anywhere; }
    footer { margin-top: 3rem; font-size: .85rem; opacity: .75; overflow-wrap: anywhere; }
  </style>
</head>
<body>
  <main>
    <h1>$title</h1>
    <p>$meaning</p>
    <p><a href="$public_url/">To the apps</a></p>
  </main>
  <footer>$facts</footer>
</body>
</html>
""")  # noqa: E501 - a line of style


def render_page(problem: Problem, public_url: str, facts: Mapping[str, str]) -> str:
    """Return the page; `facts` are what a visitor may be asked for, such as a request's id."""
    return _PAGE.substitute(
        title=escape(problem.title),
        meaning=escape(problem.meaning),
        public_url=escape(public_url),
        facts=" · ".join(f"{escape(name)} {escape(value)}" for name, value in facts.items()),
    )
