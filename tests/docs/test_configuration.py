"""Docs that are made from the code are as the code is now."""

from docs import configuration, options


def test_the_configuration_page_is_fresh() -> None:
    assert configuration.TARGET.read_text() == configuration.render(), "run `make docs`"


def test_every_setting_says_what_it_means() -> None:
    assert all(line.count("|") == 4 and not line.endswith("|  |") for line in configuration.render().splitlines()[5:])


def test_the_page_of_options_is_fresh() -> None:
    assert options.TARGET.read_text() == options.render(), "run `make docs`"


def test_every_option_says_what_it_means() -> None:
    rows = [line for line in options.render().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert all(line.rstrip("| ").split("|")[-1].strip() for line in rows)
