"""Docs that are made from the code are as the code is now."""

from docs import configuration


def test_the_configuration_page_is_fresh() -> None:
    assert configuration.TARGET.read_text() == configuration.render(), "run `make docs`"


def test_every_setting_says_what_it_means() -> None:
    assert all(line.count("|") == 4 and not line.endswith("|  |") for line in configuration.render().splitlines()[5:])
