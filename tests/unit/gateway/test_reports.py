"""What workers report: counts only grow, whoever dies, and health names whom it is about."""

from gateway.reports import Report, Reports, Told
from policies.decision import Reason

KEY = ("notes", Reason.LET_THROUGH_UNVERIFIED)


def test_counts_of_workers_are_summed() -> None:
    reports = Reports()

    reports.take("worker-1", Report({KEY: 2}))
    reports.take("worker-2", Report({KEY: 3}))
    reports.take("worker-1", Report({KEY: 4}))

    assert reports.sum_up().counts == {KEY: 7}


def test_what_a_dead_worker_counted_stays_counted() -> None:
    reports = Reports()
    reports.take("worker-1", Report({KEY: 2}))

    reports.bury("worker-1")
    dead = reports.sum_up()
    reports.take("worker-1", Report({KEY: 1}))
    replaced = reports.sum_up()

    assert dead == Report({KEY: 2}, {"worker-1: process": "does not run"})
    assert replaced == Report({KEY: 3})


def test_tasks_are_told_of_each_worker_that_runs() -> None:
    reports = Reports()
    reports.take("worker-1", Report(tasks={"worker-1": 12}))
    reports.take("worker-2", Report(tasks={"worker-2": 14}))

    reports.bury("worker-1")

    assert reports.sum_up().tasks == {"worker-2": 14}


async def test_health_names_the_worker_and_what_it_misses() -> None:
    reports, told = Reports(), Told()
    reports.take("worker-2", Report(missing={"listener": "hears nothing"}))
    well = await told.check()

    told.report = reports.sum_up()

    assert well is None
    assert await told.check() == "worker-2: listener: hears nothing"
