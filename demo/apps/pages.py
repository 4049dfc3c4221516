"""Six apps that are pages: each shows something of its own, and what it was told."""

from aiohttp import web
from aiohttp.typedefs import Handler

from demo.apps.common import Look, create_app, show

# What is on each page: title and lines.
_CONTENT = {
    "notes": ("Today", ["Ask Ben about the invoice", "Water the plants", "Idea: a gateway"]),
    "tasks": ("This week", ["Ship the release", "Write to the bank", "Book the train"]),
    "board": ("News", ["The canteen has a new cook", "Summer party on the 12th"]),
    "reports": ("November", ["Visitors: 48,211", "Paying: 1,902", "Churn: 1.4 %"]),
    "calendar": ("Next days", ["Mon: stand-up", "Tue: Mira is away", "Thu: board meeting"]),
}
_LOOKS = (
    Look("notes", "Notes", "Quick notes, kept in order.", 45),
    Look("wiki", "Wiki", "What the team knows, written down.", 205),
    Look("tasks", "Tasks", "Who does what by when.", 150),
    Look("board", "Board", "News for everybody who is signed in.", 275),
    Look("reports", "Reports", "Figures of the month.", 10),
    Look("calendar", "Calendar", "Days, and who is away.", 330),
)


def create_pages() -> dict[str, web.Application]:
    """Return the six applications by id."""
    apps = {look.id: create_app(look) for look in _LOOKS}
    for app_id, app in apps.items():
        app.router.add_get("/", _wiki if app_id == "wiki" else _front(app_id))
    apps["wiki"].router.add_get("/edit/", _edit)
    return apps


def _front(app_id: str) -> Handler:
    heading, lines = _CONTENT[app_id]

    async def show_front(request: web.Request) -> web.StreamResponse:
        return show(request, "page.html", heading=heading, lines=lines)

    return show_front


async def _wiki(request: web.Request) -> web.Response:
    return show(
        request,
        "page.html",
        heading="How we work",
        lines=["Small steps", "Write it down"],
        edit_link=True,
    )


async def _edit(request: web.Request) -> web.Response:
    return show(
        request, "page.html", heading="Editing", lines=["This part needs the feature edit."]
    )
