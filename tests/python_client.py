"""Uses the public API as a stranger would: python_client.py PROTO_FOLDER REGISTRY_URL SCORING_URL.

Makes its stubs from the protos, creates a creditor, opens a day, creates a debtor, posts an invoice and a payment of
it, and reads the score with the token of the payment.
"""

import importlib
import sys
import tempfile
import time
from pathlib import Path

import grpc
from grpc_tools import protoc


def make_stubs(protos: Path, target: str) -> None:
    files = sorted(str(file) for file in (protos / "mahnwerk").rglob("*.proto"))
    include = Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{protos}", f"-I{include}", f"--python_out={target}", f"--grpc_python_out={target}"]
    if protoc.main(arguments + files) != 0:
        raise SystemExit("the protos do not compile")
    sys.path.insert(0, target)


def patiently(call, request):
    """Repeats a call that answers "not now", as every client should."""
    for _ in range(100):
        try:
            return call(request, timeout=10)
        except grpc.RpcError as error:
            not_now = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION)
            if error.code() not in not_now:
                raise
            last = error
            time.sleep(0.1)
    raise last


def main() -> None:
    protos, registry_url, scoring_url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with tempfile.TemporaryDirectory() as target:
        make_stubs(protos, target)
        types = importlib.import_module("mahnwerk.common.v1.types_pb2")
        creditor = importlib.import_module("mahnwerk.registry.v1.creditor_pb2")
        debtor = importlib.import_module("mahnwerk.registry.v1.debtor_pb2")
        account = importlib.import_module("mahnwerk.registry.v1.account_pb2")
        scoring = importlib.import_module("mahnwerk.scoring.v1.scoring_pb2")
        stub = {
            name: getattr(importlib.import_module(f"mahnwerk.{module}_pb2_grpc"), f"{name}Stub")
            for name, module in {
                "CreditorService": "registry.v1.creditor",
                "DebtorService": "registry.v1.debtor",
                "AccountService": "registry.v1.account",
                "ScoringService": "scoring.v1.scoring",
            }.items()
        }

    def date(year, month, day):
        return types.Date(year=year, month=month, day=day)

    def euro(cents):
        return types.Money(currency_code="EUR", minor_units=cents)

    registry = grpc.insecure_channel(registry_url.removeprefix("http://"))
    scores = stub["ScoringService"](grpc.insecure_channel(scoring_url.removeprefix("http://")))
    creditors = stub["CreditorService"](registry)
    debtors = stub["DebtorService"](registry)
    accounts = stub["AccountService"](registry)

    creditors.CreateCreditor(
        creditor.CreateCreditorRequest(
            request_id="python-1",
            creditor=creditor.Creditor(
                creditor_id="python",
                display_name="Schlangenhof",
                time_zone="Europe/Amsterdam",
                calendar="NL",
                reporting_currency="EUR",
                business_day_mode=creditor.BUSINESS_DAY_MODE_MANUAL,
            ),
        )
    )
    creditors.OpenBusinessDay(
        creditor.OpenBusinessDayRequest(request_id="python-2", creditor_id="python", business_date=date(2025, 1, 2))
    )
    debtors.CreateDebtor(
        debtor.CreateDebtorRequest(
            request_id="python-3",
            debtor=debtor.Debtor(
                creditor_id="python",
                debtor_id="d1",
                kind=debtor.DEBTOR_KIND_ORGANISATION,
                relationship=debtor.RELATIONSHIP_CUSTOMER,
                display_name="Bakkerij De Vroege Vogel",
                language="nl",
                country="NL",
                billing_method=debtor.BILLING_METHOD_E_INVOICE,
            ),
        )
    )
    accounts.CreateInvoice(
        account.CreateInvoiceRequest(
            request_id="python-4",
            invoice=account.Item(
                creditor_id="python",
                debtor_id="d1",
                item_id="2024-001",
                amount=euro(12_100),
                document_date=date(2024, 11, 1),
                due_date=date(2024, 12, 1),
            ),
        )
    )
    paid = accounts.CreatePayment(
        account.CreatePaymentRequest(
            request_id="python-5",
            payment=account.Item(
                creditor_id="python", debtor_id="d1", item_id="pay-1", amount=euro(12_100), value_date=date(2024, 12, 6)
            ),
            allocations=[account.Allocation(invoice_id="2024-001", amount=euro(12_100))],
        )
    )
    assert paid.payment.open_amount.minor_units == 0, paid

    answer = patiently(
        scores.GetScore,
        scoring.GetScoreRequest(
            creditor_id="python", debtor_id="d1", at_least=paid.consistency_token, language="nl"
        ),
    )
    score = answer.score
    assert score.settled_items == 1, score
    assert scoring.RISK_CLASS_A <= score.risk_class <= scoring.RISK_CLASS_E, score
    assert 0 < score.pd_ppm < 1_000_000, score
    print(f"score {score.score}, probability of default {score.pd_ppm} ppm, settled items {score.settled_items}")


if __name__ == "__main__":
    main()
