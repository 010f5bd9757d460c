"""A worker that is told to end more than once begins its deadline once."""

from streams.stopping import StreamsProcess


class Deadline:
    """Is told again while it starts, as by a signal that comes then."""

    def __init__(self, process: StreamsProcess) -> None:
        self.process = process
        self.started = 0

    def start(self) -> None:
        self.started += 1
        self.process._begin_deadline()


def test_a_signal_while_the_deadline_begins_does_not_begin_it_again() -> None:
    process = StreamsProcess.__new__(StreamsProcess)
    deadline = Deadline(process)
    process._deadlines = [deadline]  # type: ignore[list-item]
    process._begin_deadline()
    process._begin_deadline()
    assert deadline.started == 1
