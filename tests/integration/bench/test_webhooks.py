"""How fast webhooks are taken, measured small, on the real gateway; nothing says how fast it is."""

from bench.webhooks.run import Plan, run


async def test_webhooks_are_taken_and_applied_and_open_the_door_at_every_gateway() -> None:
    said: list[str] = []

    result = await run(Plan(subscriptions=20, deliveries=200, openings=2, quick=True), said.append)

    figures = {
        section.name: {figure.what: figure.value.median for figure in section.figures}
        for section in result.sections
    }
    assert list(figures) == ["taken", "applied", "opening"]
    assert figures["taken"]["taken"] > 0
    assert figures["opening"]["commit to allowed, most"] > 0
    assert said
