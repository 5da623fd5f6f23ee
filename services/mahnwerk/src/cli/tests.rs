use clap::{CommandFactory as _, error::ErrorKind};
use mahnwerk_proto::{
    dunning::v1::{DeliveryOutcome, NoticeState, PauseKind, TaskKind, TaskOutcome},
    registry::v1::{Channel, ContactPurpose, DisputeReason, DisputeState},
};

use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = ["mahnwerk"].into_iter().chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command)
}

#[test]
fn the_definition_of_all_commands_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_is_understood() {
    for line in [
        "why acme C-1 --at-least T",
        "segment show acme C-1",
        "segment why acme C-1 --scheme risk",
        "segment history acme C-1 --limit 5",
        "segment sizes acme treatment --at-least T",
        "segment list acme treatment strict",
        "segment pin acme C-1 treatment strict --reason known --until 2026-03-01",
        "segment unpin acme C-1 treatment",
        "scheme list acme",
        "scheme show acme treatment --revision 2",
        "scheme fields",
        "scheme create acme scheme.toml --check",
        "scheme simulate acme treatment --revision 2",
        "scheme activate acme treatment --revision 2 --max-error-ppm 100 --wait",
        "procedure list acme",
        "procedure show acme standard --revision 1",
        "procedure create acme standard standard.toml --check",
        "procedure settings acme --max-bank-import-age 3 --when-stale mark --email-from a@b.example",
        "procedure settings acme --four-eyes-release true",
        "run propose acme --wait",
        "run list acme",
        "run show acme R",
        "run review acme N --exclude-item R-1",
        "run release acme R --etag v7 --wait",
        "run cancel acme R",
        "run replay acme R",
        "notice show acme N --text",
        "notice list acme --run R --state sent",
        "notice list acme --debtor C-1",
        "notice preview acme N --in de --html",
        "notice report acme N bounced",
        "task list acme --kind call --portfolio p --debtor C-1 --completed",
        "task claim acme T --minutes 30",
        "task done acme T not-reached --note later",
        "pause add acme P --kind suppress --from 2026-01-01 --reason holidays",
        "pause end acme P --until 2026-01-31",
        "pause list acme --debtor C-1",
        "manual acme C-1 --until 2026-02-01",
        "manual acme C-1 --end",
        "dispatch show acme",
        "dispatch pause acme --reason maintenance",
        "dispatch resume acme",
        "dispute open acme D R-1 --reason quality --amount 12.50 --owner anna",
        "dispute close acme D upheld",
        "dispute list acme C-1",
        "promise add acme C-1 P --invoice R-1 --invoice R-2 --by 2026-02-01 --tolerance 3",
        "promise cancel acme P",
        "promise list acme C-1",
        "plan add acme C-1 P --invoice R-1 --instalment 2026-02-01=10 --grace 5",
        "plan cancel acme P",
        "plan list acme C-1",
        "approval ask acme R-1 --reason insolvent --amount 12.50",
        "approval grant acme A",
        "approval refuse acme A --note later",
        "approval list acme --debtor C-1 --state pending --limit 5",
        "approval policy acme --write-off-above 100 --currency CHF",
        "approval policy acme --lift",
        "contact record acme C-1 K --purpose note --text x",
        "contact list acme C-1",
        "bank-import acme 2026-01-05",
        "debtor show acme C-1 --at-least T",
        "debtor deceased acme C-1 --since 2026-01-05",
        "debtor deceased acme C-1 --lift",
        "audit --creditor acme",
        "audit --creditor acme --service dunning --entity run --id R --principal anna --request r --trace t --limit 5",
        "audit --creditor acme --debtor C-1 --since 2026-01-31 --until 2026-01-31T08:00:00+01:00 --output json",
        "doctor",
        "doctor --patience 60 --creditors 1000 --today 2026-08-01 --output json",
        "feed status --service dunning",
        "feed parked list --service segmentation",
        "watch --service segmentation --output json",
        "up --segmentation-port 0 --dunning-port 0",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_contradicts_itself_or_is_missing_is_refused() {
    for (line, kind) in [
        ("manual acme C-1", ErrorKind::MissingRequiredArgument),
        (
            "manual acme C-1 --end --until 2026-01-01",
            ErrorKind::ArgumentConflict,
        ),
        (
            "debtor deceased acme C-1",
            ErrorKind::MissingRequiredArgument,
        ),
        ("notice list acme", ErrorKind::MissingRequiredArgument),
        ("approval ask acme R-1", ErrorKind::MissingRequiredArgument),
        ("approval policy acme", ErrorKind::MissingRequiredArgument),
        (
            "approval policy acme --lift --write-off-above 1",
            ErrorKind::ArgumentConflict,
        ),
        ("run review acme N", ErrorKind::MissingRequiredArgument),
        (
            "run review acme N --lower --raise",
            ErrorKind::ArgumentConflict,
        ),
        (
            "scheme activate acme treatment",
            ErrorKind::MissingRequiredArgument,
        ),
        (
            "pause add acme P --item R-1 --kind suppress --from 2026-01-01 --reason x",
            ErrorKind::MissingRequiredArgument,
        ),
        (
            "pause add acme P --debtor C --segment s --kind suppress --from 2026-01-01 --reason x",
            ErrorKind::ArgumentConflict,
        ),
        (
            "audit --service registry",
            ErrorKind::MissingRequiredArgument,
        ),
        (
            "audit --creditor acme --since yesterday",
            ErrorKind::ValueValidation,
        ),
        ("doctor --creditors 0", ErrorKind::ValueValidation),
        ("doctor --today tomorrow", ErrorKind::ValueValidation),
        ("task done acme T perhaps", ErrorKind::InvalidValue),
        ("bank-import acme yesterday", ErrorKind::ValueValidation),
        (
            "plan add acme C-1 P --invoice R-1 --instalment 10.00",
            ErrorKind::ValueValidation,
        ),
        (
            "procedure settings acme --max-bank-import-age few",
            ErrorKind::ValueValidation,
        ),
    ] {
        let found = parse(line).err().map(|error| error.kind());
        assert_eq!(found, Some(kind), "{line}");
    }
}

#[test]
fn words_become_the_values_of_the_protos() {
    let Ok(Command::Pause(PauseCommand::Add(pause))) =
        parse("pause add acme P --kind stop-clock --from 2026-01-01 --reason x")
    else {
        panic!("not a pause");
    };
    assert_eq!(pause.kind, PauseKind::StopClock as i32);
    let Ok(Command::Task(TaskCommand::List(tasks))) = parse("task list acme --kind supply-rate")
    else {
        panic!("not a list");
    };
    assert_eq!(tasks.kind, Some(TaskKind::SupplyRate as i32));
    let Ok(Command::Task(TaskCommand::Done { outcome, .. })) =
        parse("task done acme T wrong-contact")
    else {
        panic!("not an outcome");
    };
    assert_eq!(outcome, TaskOutcome::WrongContact as i32);
    let Ok(Command::Notice(NoticeCommand::Report { outcome, .. })) =
        parse("notice report acme N was-not-sent")
    else {
        panic!("not a report");
    };
    assert_eq!(outcome, DeliveryOutcome::WasNotSent as i32);
    let Ok(Command::Notice(NoticeCommand::List(notices))) =
        parse("notice list acme --run R --state withdrawn")
    else {
        panic!("not a list");
    };
    assert_eq!(notices.state, Some(NoticeState::Withdrawn as i32));
    let Ok(Command::Dispute(DisputeCommand::Open(dispute))) =
        parse("dispute open acme D R-1 --reason not-ordered")
    else {
        panic!("not a dispute");
    };
    assert_eq!(dispute.reason, DisputeReason::NotOrdered as i32);
    let Ok(Command::Dispute(DisputeCommand::Close { outcome, .. })) =
        parse("dispute close acme D withdrawn")
    else {
        panic!("not an outcome");
    };
    assert_eq!(outcome, DisputeState::Withdrawn as i32);
    let Ok(Command::Contact(ContactCommand::Record(contact))) =
        parse("contact record acme C-1 K --purpose inbound --channel phone")
    else {
        panic!("not a contact");
    };
    assert_eq!(contact.purpose, ContactPurpose::Inbound as i32);
    assert_eq!(contact.channel, Some(Channel::Phone as i32));
}
