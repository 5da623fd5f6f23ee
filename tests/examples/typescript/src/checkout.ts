// Asks, as the checkout of a web shop does, whether an order may be delivered on invoice.
//
// Prints one line of JSON. Exits with 0 once there is a decision, whoever made it, with 2 for wrong arguments and with
// 3 if the service refuses the question.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, StatusSchema } from "../gen/google/rpc/details_pb.js";
import {
  CheckCreditRequestSchema,
  CreditDecisionSchema,
  CreditOutcome,
  ScoringService,
} from "../gen/mahnwerk/scoring/v1/scoring_pb.js";
import type { CheckCreditRequest, CreditDecision } from "../gen/mahnwerk/scoring/v1/scoring_pb.js";

const WRONG_ARGUMENTS = 2;
const REFUSED = 3;

// Somebody was in the way, or somebody else will answer: the same call can succeed.
const RETRYABLE = [status.UNAVAILABLE, status.ABORTED, status.RESOURCE_EXHAUSTED];
// It is not the question that is wrong: what the shop does without an answer applies.
const NO_ANSWER = [
  ...RETRYABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.UNKNOWN,
  status.INTERNAL,
  status.DATA_LOSS,
];
// Doubled with every attempt.
const FIRST_PAUSE_MS = 20;

// Up to which amount, in minor units, a customer whom the shop knows buys on invoice without an answer; other
// currencies are not in it, so that nobody takes yen for cents.
const SMALL_AMOUNTS = new Map([
  ["CHF", 10_000n],
  ["EUR", 10_000n],
  ["USD", 10_000n],
]);
const SHOP_PAYMENT_TERM_DAYS = 14;

// A channel that could not connect waits for a second before it tries again, which is longer than a checkout does.
const CHANNEL_OPTIONS = {
  "grpc.initial_reconnect_backoff_ms": 20,
  "grpc.max_reconnect_backoff_ms": 1_000,
};

interface Violation {
  field: string;
  description: string;
}

/** Why a call failed. */
interface Problem {
  code: status;
  message: string;
  reason: string;
  violations: Violation[];
  retryAfterMs: number;
}

/** What came of the calls: a decision or the last problem. */
type Answer = { attempts: number } & ({ decision: CreditDecision } | { problem: Problem });

/** The one line that is printed. */
interface Result {
  decision: string;
  reasons: string[];
  payment_term_days?: number;
  message?: string;
  violations?: Violation[];
  source: "service" | "fallback";
}

interface Options {
  request: CheckCreditRequest;
  address: string;
  knownCustomer: boolean;
  deadlineMs: number;
  caFile: string | undefined;
  tokenFile: string | undefined;
}

/** Calls any unary method by its description. */
function call<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodUnary<I, O>,
  request: MessageShape<I>,
  metadata: Metadata,
  deadline: number,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      request,
      metadata,
      { deadline },
      (error, response) => (response === undefined ? reject(error) : resolve(response)),
    );
  });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}

function toProblem(error: ServiceError): Problem {
  const problem: Problem = {
    code: error.code,
    message: error.details,
    // Without details it was not the service that answered, but a proxy or the library.
    reason: status[error.code],
    violations: [],
    retryAfterMs: 0,
  };
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  if (!(encoded instanceof Buffer)) {
    return problem;
  }
  for (const detail of fromBinary(StatusSchema, encoded).details) {
    problem.reason = anyUnpack(detail, ErrorInfoSchema)?.reason ?? problem.reason;
    for (const { field, description } of anyUnpack(detail, BadRequestSchema)?.fieldViolations ?? []) {
      problem.violations.push({ field, description });
    }
    const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
    problem.retryAfterMs = delay ? durationMs(delay) : problem.retryAfterMs;
  }
  return problem;
}

function authorization(tokenFile: string | undefined): Metadata {
  const metadata = new Metadata();
  if (tokenFile !== undefined) {
    // Read for every call: whoever issues tokens replaces the file before the old one runs out.
    metadata.set("authorization", `Bearer ${readFileSync(tokenFile, "utf8").trim()}`);
  }
  return metadata;
}

/**
 * Calls until there is a decision, a refusal, or no time left.
 *
 * All attempts carry one request id: if the answer to the first is lost, the second reads the decision that was stored,
 * instead of making another.
 */
async function ask(client: Client, { request, deadlineMs, tokenFile }: Options): Promise<Answer> {
  const deadline = Date.now() + deadlineMs;
  let pause = FIRST_PAUSE_MS;
  for (let attempts = 1; ; attempts += 1) {
    let problem: Problem;
    try {
      const response = await call(
        client,
        ScoringService.method.checkCredit,
        request,
        authorization(tokenFile),
        deadline,
      );
      return { attempts, decision: response.decision ?? create(CreditDecisionSchema) };
    } catch (error) {
      if (!isServiceError(error)) {
        throw error;
      }
      problem = toProblem(error);
    }
    if (problem.reason === "TOKEN_EXPIRED" && request.atLeast !== "") {
      // The database was restored or has failed over; nobody can wait for that write any more.
      request.atLeast = "";
      continue;
    }
    if (!RETRYABLE.includes(problem.code)) {
      return { attempts, problem };
    }
    // Not before the service wants to be asked, and not all at the same moment.
    const wait = Math.max(problem.retryAfterMs, pause * (0.5 + Math.random() / 2));
    if (Date.now() + wait >= deadline) {
      return { attempts, problem };
    }
    await sleep(wait);
    pause *= 2;
  }
}

/** What the shop does without an answer: it knows less than the service, so it grants less. */
function fallback({ request: { amount }, knownCustomer }: Options, { reason, message }: Problem): Result {
  const small = SMALL_AMOUNTS.get(amount?.currencyCode ?? "") ?? 0n;
  if (knownCustomer && amount !== undefined && amount.minorUnits <= small) {
    return {
      decision: "APPROVE",
      reasons: ["SHOP_SMALL_AMOUNT", reason],
      payment_term_days: SHOP_PAYMENT_TERM_DAYS,
      message,
      source: "fallback",
    };
  }
  return {
    decision: "APPROVE_WITH_TERMS",
    reasons: ["SHOP_PREPAYMENT", reason],
    payment_term_days: 0,
    message,
    source: "fallback",
  };
}

function toResult(answer: Answer, options: Options): Result {
  if ("decision" in answer) {
    const { outcome, reasons, paymentTermDays } = answer.decision;
    return {
      decision: CreditOutcome[outcome] ?? String(outcome),
      reasons: reasons.map((reason) => reason.code),
      payment_term_days: paymentTermDays,
      source: "service",
    };
  }
  const { code, reason, message, violations } = answer.problem;
  if (NO_ANSWER.includes(code)) {
    return fallback(options, answer.problem);
  }
  return { decision: "REFUSED", reasons: [reason], message, violations, source: "service" };
}

function connect({ address, caFile }: Options): Client {
  const channel = caFile === undefined ? credentials.createInsecure() : credentials.createSsl(readFileSync(caFile));
  return new Client(address, channel, CHANNEL_OPTIONS);
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      address: { type: "string", default: "127.0.0.1:7102" },
      creditor: { type: "string", default: "" },
      debtor: { type: "string", default: "" },
      amount: { type: "string", default: "" },
      currency: { type: "string", default: "EUR" },
      order: { type: "string" },
      "request-id": { type: "string", default: randomUUID() },
      "at-least": { type: "string", default: "" },
      "known-customer": { type: "boolean", default: false },
      "deadline-ms": { type: "string", default: "250" },
      "ca-file": { type: "string" },
      "token-file": { type: "string" },
    },
  });
  if (values.creditor === "" || values.debtor === "") {
    throw new Error("--creditor and --debtor are needed");
  }
  if (!/^-?\d+$/.test(values.amount)) {
    throw new Error("--amount takes minor units: 4999 is 49.99 EUR");
  }
  if (!/^\d+$/.test(values["deadline-ms"])) {
    throw new Error("--deadline-ms takes milliseconds");
  }
  return {
    request: create(CheckCreditRequestSchema, {
      requestId: values["request-id"],
      creditorId: values.creditor,
      debtorId: values.debtor,
      orderId: values.order ?? values["request-id"],
      amount: { currencyCode: values.currency, minorUnits: BigInt(values.amount) },
      atLeast: values["at-least"],
    }),
    address: values.address,
    knownCustomer: values["known-customer"],
    deadlineMs: Number(values["deadline-ms"]),
    caFile: values["ca-file"],
    tokenFile: values["token-file"],
  };
}

async function main(): Promise<number> {
  const options = readOptions();
  // A shop keeps its channel: connecting costs more than asking.
  const client = connect(options);
  const began = performance.now();
  try {
    const answer = await ask(client, options);
    const elapsed_ms = Math.round(performance.now() - began);
    const result = toResult(answer, options);
    const line = { ...result, attempts: answer.attempts, elapsed_ms, request_id: options.request.requestId };
    console.log(JSON.stringify(line));
    return result.decision === "REFUSED" ? REFUSED : 0;
  } finally {
    client.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = WRONG_ARGUMENTS;
}
