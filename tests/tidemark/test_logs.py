"""What a log shows of an exception: where it came from, and no variable's value."""

import logging

import pytest

from tidemark.logs import configure_logging, get_logger


@pytest.mark.parametrize("json", [True, False])
def test_a_traceback_shows_no_local_variable(json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logging(json=json)
    password = "of-" + "nobody-else"
    try:
        int(password[:0])
    except ValueError:
        get_logger("test").exception("it has failed")
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    shown = capsys.readouterr().err
    assert "ValueError" in shown
    assert password not in shown
