"""Measures the dunning of Tryton, for comparison with ours: tryton.py POSTGRES_URL PARTIES, on an empty server.

Fills a database with so many parties of ten open receivable lines each, of the ages of `src/bench/portfolio.rs`, under
a procedure of levels after 5, 20 and 40 days, and times what proposes dunnings and what releases them: no fees, no
letters. Prints a line `STEP SECONDS DUNNINGS` for each. `tests/bench tryton` installs what is imported here and calls
this with `python -O`: an assertion in the object mapper makes loops quadratic without it.
"""

import datetime
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

DATABASE = "tryton"
TODAY = datetime.date(2025, 3, 10)
# Records that a transaction keeps in memory; by default 2,000, which makes Tryton read the rest again and again.
CACHE = 200_000

FILL = """
INSERT INTO party_party (code, name, active)
    SELECT 'd' || n, 'Party ' || n, true FROM generate_series(0, %(parties)s - 1) n;
INSERT INTO party_party_dunning_procedure (party, dunning_procedure)
    SELECT id, %(procedure)s FROM party_party WHERE code LIKE 'd%%';
INSERT INTO account_move (number, company, period, journal, date, post_date, state)
    SELECT 'i' || n, %(company)s, %(period)s, %(journal)s, %(day)s, %(day)s, 'posted'
    FROM generate_series(0, %(parties)s * 10 - 1) n;
INSERT INTO account_move_line (move, account, party, debit, credit, maturity_date, state)
    SELECT move.id, %(receivable)s, party.id, round((1000 + n) / 100.0, 2), 0,
        %(day)s - ((n / %(parties)s * 18 + n) %% 180 - 20), 'valid'
    FROM generate_series(0, %(parties)s * 10 - 1) n JOIN account_move move ON move.number = 'i' || n
    JOIN party_party party ON party.code = 'd' || n %% %(parties)s;
INSERT INTO account_move_line (move, account, debit, credit, state)
    SELECT move.id, %(revenue)s, 0, round((1000 + n) / 100.0, 2), 'valid'
    FROM generate_series(0, %(parties)s * 10 - 1) n JOIN account_move move ON move.number = 'i' || n;
ANALYZE;
"""


def create_database(url: str, config: Path) -> None:
    """Makes the database with the tables of the modules; the administrator gets a password that nobody needs."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    password = config.with_name("password")
    password.write_text("unused-on-loopback")
    admin = [sys.executable, "-O", str(Path(sys.executable).with_name("trytond-admin"))]
    admin += ["-c", str(config), "-d", DATABASE]
    environment = {"TRYTONPASSFILE": str(password)}
    subprocess.run([*admin, "--all", "--email", "admin@example.org"], check=True, env=environment)
    modules = ["-u", "account_dunning", "--activate-dependencies"]
    subprocess.run([*admin, *modules], check=True, env=environment)


def configure(config: Path) -> dict[str, object]:
    """Sets up a company, its accounts and the procedure, and returns the keys that the portfolio refers to."""
    import proteus
    from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, get_accounts
    from trytond.modules.company.tests.tools import create_company, get_company

    proteus.config.set_trytond(DATABASE, config_file=str(config))
    create_company()
    company = get_company()
    create_chart(company)
    year = create_fiscalyear(company, (TODAY.replace(month=1, day=1), TODAY.replace(month=12, day=31)))
    year.click("create_period")
    procedure = proteus.Model.get("account.dunning.procedure")(name="Procedure")
    for sequence, days in enumerate([5, 20, 40], start=1):
        procedure.levels.new(sequence=sequence, overdue=datetime.timedelta(days))
    procedure.save()
    (journal,) = proteus.Model.get("account.journal").find([("code", "=", "REV")])
    period = next(period for period in year.periods if period.start_date <= TODAY <= period.end_date)
    accounts = get_accounts(company)
    records = {
        "company": company,
        "procedure": procedure,
        "period": period,
        "journal": journal,
        "receivable": accounts["receivable"],
        "revenue": accounts["revenue"],
    }
    return {name: record.id for name, record in records.items()} | {"day": TODAY}


def fill(url: str, keys: dict[str, object]) -> None:
    with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(FILL, keys)


def measure(company: int) -> None:
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    pool = Pool(DATABASE)
    context = {"company": company, "companies": [company]}

    def timed(step, work) -> None:
        began = time.monotonic()
        with Transaction().start(DATABASE, 0, context=context):
            done = work(pool.get("account.dunning"))
        print(step, f"{time.monotonic() - began:.3f}", done, flush=True)

    def generate(dunning) -> int:
        dunning.generate_dunnings(date=TODAY)
        return dunning.search([("state", "=", "draft")], count=True)

    def process(dunning) -> int:
        drafts = dunning.search([("state", "=", "draft")])
        dunning.process(drafts)
        return len(drafts)

    timed("generate", generate)
    timed("process", process)


def main() -> None:
    server = sys.argv[1].rsplit("/", 1)[0]
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "trytond.conf"
        uri = server.replace("postgres://", "postgresql://")
        config.write_text(f"[database]\nuri={uri}/\n[cache]\nrecord={CACHE}\n")
        # Tryton chooses its database engine when it is imported, so everything else of it is imported later.
        from trytond.config import update_etc

        update_etc(str(config))
        create_database(f"{server}/postgres", config)
        keys = configure(config)
        fill(f"{server}/{DATABASE}", keys | {"parties": int(sys.argv[2])})
        measure(keys["company"])


if __name__ == "__main__":
    main()
