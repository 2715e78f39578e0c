"""The server that other tests stand on: what they may take for granted of it."""

import signal

import psycopg
import pytest

from tests.support.real_postgres import OWNER, RealPostgres


def test_each_test_has_an_empty_database_of_the_gateways_own(postgres: RealPostgres) -> None:
    with postgres.room() as url, postgres.room() as other, psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE mine (one int)")
        owner = connection.execute("SELECT current_user, current_setting('server_encoding')").fetchone()

        assert url != other
        assert owner == (OWNER, "UTF8")


def test_a_template_is_filled_once_and_copied_for_each(postgres: RealPostgres) -> None:
    filled: list[str] = []

    def fill(url: str) -> None:
        filled.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE mine (one int); INSERT INTO mine VALUES (1)")

    for _ in range(2):
        with postgres.room(postgres.template("filled", fill)) as url, psycopg.connect(url) as connection:
            assert connection.execute("DELETE FROM mine").rowcount == 1

    assert len(filled) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_a_server_that_was_ended_keeps_what_was_committed(postgres: RealPostgres, how: int) -> None:
    with postgres.room() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE mine (one int)")
            postgres.restart(how)

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM mine").fetchone() == (0,)
