// Checkout asks, as the checkout of a web shop does, whether an order may be delivered on invoice.
//
// It prints one line of JSON. It exits with 0 once there is a decision, whoever made it, with 2 for wrong arguments and
// with 3 if the service refuses the question.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	commonv1 "example.org/checkout/gen/mahnwerk/common/v1"
	scoringv1 "example.org/checkout/gen/mahnwerk/scoring/v1"
)

const (
	wrongArguments = 2
	refused        = 3

	// Doubled with every attempt.
	firstPause = 20 * time.Millisecond

	shopPaymentTermDays = 14
)

var (
	// Somebody was in the way, or somebody else will answer: the same call can succeed.
	retryable = []codes.Code{codes.Unavailable, codes.Aborted, codes.ResourceExhausted}
	// It is not the question that is wrong: what the shop does without an answer applies.
	noAnswer = append([]codes.Code{
		codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal, codes.DataLoss,
	}, retryable...)
	// Up to which amount, in minor units, a customer whom the shop knows buys on invoice without an answer; other
	// currencies are not in it, so that nobody takes yen for cents.
	smallAmounts = map[string]int64{"CHF": 10_000, "EUR": 10_000, "USD": 10_000}

	// A channel that could not connect waits for a second before it tries again, which is longer than a checkout does.
	reconnects = grpc.ConnectParams{
		Backoff: backoff.Config{
			BaseDelay:  20 * time.Millisecond,
			Multiplier: backoff.DefaultConfig.Multiplier,
			Jitter:     backoff.DefaultConfig.Jitter,
			MaxDelay:   time.Second,
		},
		MinConnectTimeout: 20 * time.Second,
	}
)

type options struct {
	address       string
	request       *scoringv1.CheckCreditRequest
	knownCustomer bool
	deadline      time.Duration
	caFile        string
	tokenFile     string
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// problem is why a call failed.
type problem struct {
	code       codes.Code
	message    string
	reason     string
	violations []violation
	retryAfter time.Duration
}

// answer is what came of the calls: a decision or the last problem.
type answer struct {
	attempts int
	decision *scoringv1.CreditDecision
	problem  problem
}

// result is the one line that is printed.
type result struct {
	Decision        string      `json:"decision"`
	Reasons         []string    `json:"reasons"`
	PaymentTermDays *int32      `json:"payment_term_days,omitempty"`
	Message         string      `json:"message,omitempty"`
	Violations      []violation `json:"violations,omitzero"`
	Source          string      `json:"source"`
	Attempts        int         `json:"attempts"`
	ElapsedMs       int64       `json:"elapsed_ms"`
	RequestID       string      `json:"request_id"`
}

func toProblem(err error) problem {
	refusal := status.Convert(err)
	found := problem{
		code:    refusal.Code(),
		message: refusal.Message(),
		// Without details it was not the service that answered, but a proxy or the library.
		reason:     code.Code(refusal.Code()).String(),
		violations: []violation{},
	}
	for _, detail := range refusal.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.reason = detail.GetReason()
		case *errdetails.BadRequest:
			for _, each := range detail.GetFieldViolations() {
				found.violations = append(found.violations, violation{each.GetField(), each.GetDescription()})
			}
		case *errdetails.RetryInfo:
			found.retryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	return found
}

// authorize adds the token. It is read for every call: whoever issues tokens replaces the file before the old one runs
// out.
func authorize(ctx context.Context, tokenFile string) (context.Context, error) {
	if tokenFile == "" {
		return ctx, nil
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, err
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token))), nil
}

// ask calls until there is a decision, a refusal, or no time left.
//
// All attempts carry one request id: if the answer to the first is lost, the second reads the decision that was stored,
// instead of making another.
func ask(client scoringv1.ScoringServiceClient, asked options) (answer, error) {
	deadline := time.Now().Add(asked.deadline)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	pause := firstPause
	for attempts := 1; ; attempts++ {
		authorized, err := authorize(ctx, asked.tokenFile)
		if err != nil {
			return answer{}, err
		}
		response, err := client.CheckCredit(authorized, asked.request)
		if err == nil {
			return answer{attempts: attempts, decision: response.GetDecision()}, nil
		}
		found := toProblem(err)
		if found.reason == "TOKEN_EXPIRED" && asked.request.AtLeast != "" {
			// The database was restored or has failed over; nobody can wait for that write any more.
			asked.request.AtLeast = ""
			continue
		}
		if !slices.Contains(retryable, found.code) {
			return answer{attempts: attempts, problem: found}, nil
		}
		// Not before the service wants to be asked, and not all at the same moment.
		scattered := time.Duration(float64(pause) * (0.5 + mathrand.Float64()/2))
		wait := max(found.retryAfter, scattered)
		if time.Until(deadline) <= wait {
			return answer{attempts: attempts, problem: found}, nil
		}
		time.Sleep(wait)
		pause *= 2
	}
}

// fallback is what the shop does without an answer: it knows less than the service, so it grants less.
func fallback(asked options, last problem) result {
	amount := asked.request.GetAmount()
	if asked.knownCustomer && amount.GetMinorUnits() <= smallAmounts[amount.GetCurrencyCode()] {
		return result{
			Decision:        "APPROVE",
			Reasons:         []string{"SHOP_SMALL_AMOUNT", last.reason},
			PaymentTermDays: days(shopPaymentTermDays),
			Message:         last.message,
			Source:          "fallback",
		}
	}
	return result{
		Decision:        "APPROVE_WITH_TERMS",
		Reasons:         []string{"SHOP_PREPAYMENT", last.reason},
		PaymentTermDays: days(0),
		Message:         last.message,
		Source:          "fallback",
	}
}

func days(number int32) *int32 {
	return &number
}

func toResult(given answer, asked options) result {
	if given.decision != nil {
		reasons := []string{}
		for _, reason := range given.decision.GetReasons() {
			reasons = append(reasons, reason.GetCode())
		}
		return result{
			Decision:        strings.TrimPrefix(given.decision.GetOutcome().String(), "CREDIT_OUTCOME_"),
			Reasons:         reasons,
			PaymentTermDays: days(given.decision.GetPaymentTermDays()),
			Source:          "service",
		}
	}
	if slices.Contains(noAnswer, given.problem.code) {
		return fallback(asked, given.problem)
	}
	return result{
		Decision:   "REFUSED",
		Reasons:    []string{given.problem.reason},
		Message:    given.problem.message,
		Violations: given.problem.violations,
		Source:     "service",
	}
}

func connect(asked options) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if asked.caFile != "" {
		var err error
		if transport, err = credentials.NewClientTLSFromFile(asked.caFile, ""); err != nil {
			return nil, err
		}
	}
	return grpc.NewClient(
		asked.address,
		grpc.WithTransportCredentials(transport),
		grpc.WithConnectParams(reconnects),
	)
}

func readOptions() (options, error) {
	var read options
	request := &scoringv1.CheckCreditRequest{Amount: &commonv1.Money{}}
	flag.StringVar(&read.address, "address", "127.0.0.1:7102", "host and port of scoring")
	flag.StringVar(&request.CreditorId, "creditor", "", "")
	flag.StringVar(&request.DebtorId, "debtor", "", "")
	amount := flag.String("amount", "", "in minor units: 4999 is 49.99 EUR")
	flag.StringVar(&request.Amount.CurrencyCode, "currency", "EUR", "ISO 4217")
	flag.StringVar(&request.OrderId, "order", "", "the shop's number of the order (default the request id)")
	flag.StringVar(&request.RequestId, "request-id", rand.Text(), "names this question")
	flag.StringVar(&request.AtLeast, "at-least", "", "the consistency token of a write that must be contained")
	flag.BoolVar(&read.knownCustomer, "known-customer", false, "the shop has been paid by this debtor before")
	deadline := flag.Int("deadline-ms", 250, "for all attempts together")
	flag.StringVar(&read.caFile, "ca-file", "", "PEM of the authorities trusted: connects with TLS")
	flag.StringVar(&read.tokenFile, "token-file", "", "sent as a bearer token, and read for every call")
	flag.Parse()
	if request.CreditorId == "" || request.DebtorId == "" {
		return options{}, errors.New("--creditor and --debtor are needed")
	}
	minorUnits, err := strconv.ParseInt(*amount, 10, 64)
	if err != nil {
		return options{}, fmt.Errorf("--amount takes minor units: %w", err)
	}
	request.Amount.MinorUnits = minorUnits
	if request.OrderId == "" {
		request.OrderId = request.RequestId
	}
	read.request = request
	read.deadline = time.Duration(*deadline) * time.Millisecond
	return read, nil
}

func run() (result, error) {
	asked, err := readOptions()
	if err != nil {
		return result{}, err
	}
	// A shop keeps its channel: connecting costs more than asking.
	channel, err := connect(asked)
	if err != nil {
		return result{}, err
	}
	defer channel.Close()
	began := time.Now()
	given, err := ask(scoringv1.NewScoringServiceClient(channel), asked)
	if err != nil {
		return result{}, err
	}
	line := toResult(given, asked)
	line.Attempts = given.attempts
	line.ElapsedMs = time.Since(began).Milliseconds()
	line.RequestID = asked.request.GetRequestId()
	return line, nil
}

func main() {
	line, err := run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(line)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(wrongArguments)
	}
	if line.Decision == "REFUSED" {
		os.Exit(refused)
	}
}
