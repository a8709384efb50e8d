"""A service that is away is told of once."""

from chat.outage import Outage


def test_one_line_when_it_goes_and_one_when_it_is_back(caplog):
    outage = Outage("The lamp is out")
    outage.worked()
    for _ in range(3):
        outage.failed(OSError("dark"))
    outage.worked()
    outage.worked()
    outage.failed(OSError("dark"))
    assert [(record.levelname, record.message[:16]) for record in caplog.records] == [
        ("ERROR", "The lamp is out:"),
        ("WARNING", "The lamp is out:"),
        ("ERROR", "The lamp is out:"),
    ]
