"""How fast platforms are asked, on a clock that the tests hold."""

from ingest.pace import BackOff, Bucket


def test_after_a_burst_each_waits_for_its_turn() -> None:
    at = [0.0]
    bucket = Bucket(per_second=2.0, burst=3.0, now=lambda: at[0])

    assert [bucket.take() for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    at[0] = 1.0
    assert bucket.take() == 0.5
    at[0] = 1_000.0
    assert [bucket.take() for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_after_each_failure_it_waits_longer_and_at_most_so_long() -> None:
    back_off = BackOff(first_seconds=1.0, seconds_max=8.0)

    waits = [back_off.failed() for _ in range(6)]

    for wait, most in zip(waits, [1.0, 2.0, 4.0, 8.0, 8.0, 8.0], strict=True):
        assert most / 2 <= wait <= most
    back_off.succeeded()
    assert back_off.failed() <= 1.0
