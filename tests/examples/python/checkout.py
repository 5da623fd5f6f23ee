"""Asks, as the checkout of a web shop does, whether an order may be delivered on invoice.

Prints one line of JSON. Exits with 0 once there is a decision, whoever made it, with 2 for wrong arguments and with 3
if the service refuses the question.
"""

import argparse
import json
import random
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from mahnwerk.common.v1 import types_pb2
from mahnwerk.scoring.v1 import scoring_pb2, scoring_pb2_grpc

REFUSED = 3

# Somebody was in the way, or somebody else will answer: the same call can succeed.
RETRYABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED}
# It is not the question that is wrong: what the shop does without an answer applies.
NO_ANSWER = RETRYABLE | {
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DATA_LOSS,
}
# Seconds; doubled with every attempt.
FIRST_PAUSE = 0.02

# Up to which amount, in minor units, a customer whom the shop knows buys on invoice without an answer; other
# currencies are not in it, so that nobody takes yen for cents.
SMALL_AMOUNTS = {"CHF": 10_000, "EUR": 10_000, "USD": 10_000}
SHOP_PAYMENT_TERM_DAYS = 14

# A channel that could not connect waits for a second before it tries again, which is longer than a checkout does.
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


@dataclass
class Problem:
    """Why a call failed."""

    code: grpc.StatusCode
    message: str
    reason: str
    violations: list[dict[str, str]] = field(default_factory=list)
    retry_after: float = 0.0

    @classmethod
    def of(cls, error: grpc.RpcError) -> "Problem":
        # Without details it was not the service that answered, but a proxy or the library.
        problem = cls(error.code(), error.details() or "", error.code().name)
        status = rpc_status.from_call(error)
        for detail in status.details if status else []:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                problem.reason = info.reason
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                request = error_details_pb2.BadRequest()
                detail.Unpack(request)
                problem.violations = [
                    {"field": each.field, "description": each.description} for each in request.field_violations
                ]
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = error_details_pb2.RetryInfo()
                detail.Unpack(retry)
                problem.retry_after = retry.retry_delay.ToTimedelta() / timedelta(seconds=1)
        return problem


@dataclass
class Answer:
    """What came of the calls: a decision or the last problem."""

    attempts: int
    decision: scoring_pb2.CreditDecision | None = None
    problem: Problem | None = None


def metadata(token_file: Path | None) -> list[tuple[str, str]]:
    # Read for every call: whoever issues tokens replaces the file before the old one runs out.
    return [("authorization", f"Bearer {token_file.read_text().strip()}")] if token_file else []


def ask(
    stub: scoring_pb2_grpc.ScoringServiceStub,
    request: scoring_pb2.CheckCreditRequest,
    deadline: float,
    token_file: Path | None,
) -> Answer:
    """Calls until there is a decision, a refusal, or no time left until `deadline` by the monotonic clock.

    All attempts carry one request id: if the answer to the first is lost, the second reads the decision that was
    stored, instead of making another.
    """
    pause = FIRST_PAUSE
    answer = Answer(attempts=0)
    while True:
        answer.attempts += 1
        try:
            response = stub.CheckCredit(request, timeout=deadline - time.monotonic(), metadata=metadata(token_file))
            answer.decision = response.decision
            return answer
        except grpc.RpcError as error:
            answer.problem = Problem.of(error)
        if answer.problem.reason == "TOKEN_EXPIRED" and request.at_least:
            # The database was restored or has failed over; nobody can wait for that write any more.
            request.at_least = ""
            continue
        if answer.problem.code not in RETRYABLE:
            return answer
        # Not before the service wants to be asked, and not all at the same moment.
        wait = max(answer.problem.retry_after, pause * random.uniform(0.5, 1.0))
        if time.monotonic() + wait >= deadline:
            return answer
        time.sleep(wait)
        pause *= 2


def fallback(amount: types_pb2.Money, known_customer: bool) -> dict:
    """What the shop does without an answer: it knows less than the service, so it grants less."""
    if known_customer and amount.minor_units <= SMALL_AMOUNTS.get(amount.currency_code, 0):
        return {
            "decision": "APPROVE",
            "reasons": ["SHOP_SMALL_AMOUNT"],
            "payment_term_days": SHOP_PAYMENT_TERM_DAYS,
        }
    return {"decision": "APPROVE_WITH_TERMS", "reasons": ["SHOP_PREPAYMENT"], "payment_term_days": 0}


def result(answer: Answer, request: scoring_pb2.CheckCreditRequest, known_customer: bool) -> dict:
    if answer.decision:
        decision = answer.decision
        return {
            "decision": scoring_pb2.CreditOutcome.Name(decision.outcome).removeprefix("CREDIT_OUTCOME_"),
            "reasons": [reason.code for reason in decision.reasons],
            "payment_term_days": decision.payment_term_days,
            "source": "service",
        }
    problem = answer.problem
    if problem.code in NO_ANSWER:
        granted = fallback(request.amount, known_customer)
        granted["reasons"].append(problem.reason)
        return granted | {"message": problem.message, "source": "fallback"}
    return {
        "decision": "REFUSED",
        "reasons": [problem.reason],
        "message": problem.message,
        "violations": problem.violations,
        "source": "service",
    }


def connect(address: str, ca_file: Path | None) -> grpc.Channel:
    if ca_file is None:
        return grpc.insecure_channel(address, CHANNEL_OPTIONS)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca_file.read_bytes()), CHANNEL_OPTIONS)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1:7102", help="host and port of scoring [%(default)s]")
    parser.add_argument("--creditor", required=True)
    parser.add_argument("--debtor", required=True)
    parser.add_argument("--amount", required=True, type=int, help="in minor units: 4999 is 49.99 EUR")
    parser.add_argument("--currency", default="EUR", help="ISO 4217 [%(default)s]")
    parser.add_argument("--order", help="the shop's number of the order [the request id]")
    parser.add_argument("--request-id", default=str(uuid.uuid4()), help="names this question [a new one]")
    parser.add_argument("--at-least", default="", help="the consistency token of a write that must be contained")
    parser.add_argument("--known-customer", action="store_true", help="the shop has been paid by this debtor before")
    parser.add_argument("--deadline-ms", default=250, type=int, help="for all attempts together [%(default)s]")
    parser.add_argument("--ca-file", type=Path, help="PEM of the authorities trusted: connects with TLS")
    parser.add_argument("--token-file", type=Path, help="sent as a bearer token, and read for every call")
    return parser


def main() -> int:
    parser = arguments()
    options = parser.parse_args()
    request = scoring_pb2.CheckCreditRequest(
        request_id=options.request_id,
        creditor_id=options.creditor,
        debtor_id=options.debtor,
        order_id=options.order or options.request_id,
        amount=types_pb2.Money(currency_code=options.currency, minor_units=options.amount),
        at_least=options.at_least,
    )
    try:
        # A shop keeps its channel: connecting costs more than asking.
        with connect(options.address, options.ca_file) as channel:
            began = time.monotonic()
            stub = scoring_pb2_grpc.ScoringServiceStub(channel)
            answer = ask(stub, request, began + options.deadline_ms / 1_000, options.token_file)
            elapsed = time.monotonic() - began
    except OSError as error:
        parser.error(str(error))
    line = result(answer, request, options.known_customer)
    line |= {"attempts": answer.attempts, "elapsed_ms": round(elapsed * 1_000), "request_id": request.request_id}
    print(json.dumps(line))
    return REFUSED if line["decision"] == "REFUSED" else 0


if __name__ == "__main__":
    sys.exit(main())
