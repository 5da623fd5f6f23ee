//! Sending to a server that fails in every way that matters.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use dunning_channel::testing::{At, Failing, Fault, Server, message};
use dunning_channel::{Channel, Maildir, Message, Refusal, SendError, Smtp, SmtpConfig, Tls};

const ID: &str = "n-1@example.com";

async fn server() -> (Server, Smtp) {
    let server = Server::start().await.unwrap();
    let smtp = Smtp::new(&server.config()).unwrap();
    (server, smtp)
}

async fn impatient() -> (Server, Smtp) {
    let server = Server::start().await.unwrap();
    let config = SmtpConfig {
        timeout_seconds: 1,
        ..server.config()
    };
    let smtp = Smtp::new(&config).unwrap();
    (server, smtp)
}

fn once(at: At, how: Failing) -> Fault {
    Fault { at, how, times: 1 }
}

/// What a send answers when the server fails once; with how often the server has the message.
async fn failing(at: At, how: Failing) -> (Result<(), SendError>, u32) {
    let (server, smtp) = match how {
        Failing::Hang => impatient().await,
        _ => server().await,
    };
    server.fail(&[once(at, how)]);
    let sent = smtp.send(&message(ID)).await;
    (sent, server.ids().get(ID).copied().unwrap_or_default())
}

fn not_sent(reason: &str) -> (Result<(), SendError>, u32) {
    (Err(SendError::NotSent(reason.to_owned())), 0)
}

fn refused(cause: Refusal, reason: &str) -> (Result<(), SendError>, u32) {
    let reason = reason.to_owned();
    (Err(SendError::Refused { cause, reason }), 0)
}

fn uncertain(reason: &str, taken: u32) -> (Result<(), SendError>, u32) {
    (Err(SendError::Uncertain(reason.to_owned())), taken)
}

fn many(count: u32) -> impl Iterator<Item = Message> {
    (0..count).map(|index| message(&format!("n-{index}@example.com")))
}

#[tokio::test]
async fn a_message_arrives_once_and_whole() {
    let (server, smtp) = server().await;
    server.keep_texts();
    let mut sent = message(ID);
    sent.text = ".\n..\n. Grüße\n".to_owned();
    assert_eq!(smtp.send(&sent).await, Ok(()));
    assert_eq!(server.ids(), BTreeMap::from([(ID.to_owned(), 1)]));
    let text = String::from_utf8(server.text(ID).unwrap()).unwrap();
    assert!(
        text.contains("\r\n.\r\n..\r\n. Gr=C3=BC=C3=9Fe\r\n"),
        "{text}"
    );
    assert!(
        text.contains("Auto-Submitted: auto-generated\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn smtp_and_maildir_deliver_the_same_bytes() {
    let (server, smtp) = server().await;
    server.keep_texts();
    let directory = tempfile::tempdir().unwrap();
    let maildir = Maildir::open(directory.path()).await.unwrap();
    let texts = [
        String::new(),
        ".".to_owned(),
        "\r\n.\r\n".to_owned(),
        "..\n.\n".to_owned(),
        "a\n.\nQUIT\n".to_owned(),
        "=_part_n1examplecom\n--=_part_n1examplecom--\n".to_owned(),
        " \t \n trailing \n".to_owned(),
        format!("{}.{}", "x".repeat(75), "ü.".repeat(100)),
    ];
    for text in texts {
        let sent = Message {
            html: text.clone(),
            text,
            ..message(ID)
        };
        assert_eq!(smtp.send(&sent).await, Ok(()));
        assert_eq!(maildir.send(&sent).await, Ok(()));
        let file = std::fs::read(directory.path().join("new").join(ID)).unwrap();
        assert_eq!(server.text(ID).unwrap(), file, "{:?}", sent.text);
    }
}

#[tokio::test]
async fn whatever_fails_before_the_recipient_is_named_was_not_sent() {
    for (at, how, reason) in [
        (At::Connect, Failing::Reply(554), "connection: answer 554"),
        (At::Connect, Failing::Reply(421), "connection: answer 421"),
        (At::Hello, Failing::Reply(550), "connection: answer 550"),
        (At::Mail, Failing::Reply(451), "sender: answer 451"),
        (At::Mail, Failing::Reply(550), "sender: answer 550"),
        (
            At::Connect,
            Failing::Says("554 5.7.1 client host blocked"),
            "connection: answer 554 5.7.1",
        ),
        (
            At::Mail,
            Failing::Says("550 5.1.1 sender unknown"),
            "sender: answer 550 5.1.1",
        ),
        (At::Mail, Failing::Reply(421), "sender: server is closing"),
        (At::Mail, Failing::Drop, "sender: connection lost"),
    ] {
        assert_eq!(failing(at, how).await, not_sent(reason));
    }
    for at in [At::Connect, At::Hello] {
        let (sent, taken) = failing(at, Failing::Drop).await;
        assert!(matches!(sent, Err(SendError::NotSent(_))), "{sent:?}");
        assert_eq!(taken, 0);
    }
}

#[tokio::test]
async fn a_recipient_is_refused_for_good_only_where_the_server_says_that_it_means_the_recipient() {
    let at = At::Rcpt;
    for code in [550, 551, 553] {
        let expected = refused(Refusal::Address, &format!("recipient: answer {code}"));
        assert_eq!(failing(at, Failing::Reply(code)).await, expected);
    }
    for code in [450, 451, 452, 500, 501, 503, 530, 552, 554] {
        let expected = not_sent(&format!("recipient: answer {code}"));
        assert_eq!(failing(at, Failing::Reply(code)).await, expected);
    }
    assert_eq!(
        failing(at, Failing::Drop).await,
        not_sent("recipient: connection lost")
    );
    for (says, answer) in [
        ("550 5.1.1 <debtor@example.com>: unknown", "550 5.1.1"),
        ("550-5.1.1 no such\r\n550 5.1.1 account", "550 5.1.1"),
        ("501 5.1.3 bad recipient address syntax", "501 5.1.3"),
        ("556 5.1.10 domain does not accept mail", "556 5.1.10"),
        ("554 5.2.1 mailbox disabled", "554 5.2.1"),
        ("552 5.2.2 mailbox full", "552 5.2.2"),
        ("550 sorry, no mailbox here (#5.1.1)", "550 5.1.1"),
    ] {
        let expected = refused(Refusal::Address, &format!("recipient: answer {answer}"));
        assert_eq!(failing(at, Failing::Says(says)).await, expected);
    }
    for (says, answer) in [
        ("554 5.7.1 relay access denied", "554 5.7.1"),
        ("554 5.7.1 client host blocked", "554 5.7.1"),
        ("550 5.7.1 sender address rejected", "550 5.7.1"),
        ("550 5.7.54 unable to relay", "550 5.7.54"),
        ("553 5.7.1 sender not owned by user", "553 5.7.1"),
        ("550 5.1.0 sender unknown", "550 5.1.0"),
        ("501 5.1.7 bad sender address syntax", "501 5.1.7"),
        ("550 5.1.8 sender's domain not found", "550 5.1.8"),
        ("550 5.4.1 relay access denied", "550 5.4.1"),
        ("504 5.5.2 helo command rejected", "504 5.5.2"),
        ("530 5.7.0 must issue STARTTLS first", "530 5.7.0"),
        ("553 not in my rcpthosts (#5.7.1)", "553 5.7.1"),
        ("550 4.1.1 unverified address", "550 4.1.1"),
        ("450 5.1.1 try later", "450 5.1.1"),
    ] {
        let expected = not_sent(&format!("recipient: answer {answer}"));
        assert_eq!(failing(at, Failing::Says(says)).await, expected);
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_text_is_certain() {
    let at = At::Data;
    assert_eq!(
        failing(at, Failing::Drop).await,
        not_sent("data: connection lost")
    );
    assert_eq!(
        failing(at, Failing::Hang).await,
        not_sent("data: no answer in time")
    );
    // Also for good: it has not seen the text that it would refuse.
    for code in [451, 503, 550, 554] {
        let expected = not_sent(&format!("data: answer {code}"));
        assert_eq!(failing(at, Failing::Reply(code)).await, expected);
    }
    // Not 354: whatever we sent now would be taken for commands.
    assert_eq!(
        failing(at, Failing::Reply(250)).await,
        not_sent("data: senseless answer")
    );
}

#[tokio::test]
async fn a_connection_lost_after_the_text_has_begun_is_uncertain() {
    let lost = "text: connection lost";
    assert_eq!(failing(At::Begun, Failing::Drop).await, uncertain(lost, 0));
    assert_eq!(failing(At::Text, Failing::Drop).await, uncertain(lost, 0));
    assert_eq!(
        failing(At::Text, Failing::KeepAndDrop).await,
        uncertain(lost, 1)
    );
    let late = "text: no answer in time";
    assert_eq!(failing(At::Text, Failing::Hang).await, uncertain(late, 0));
    let senseless = "text: senseless answer";
    assert_eq!(
        failing(At::Text, Failing::Reply(354)).await,
        uncertain(senseless, 0)
    );
}

#[tokio::test]
async fn an_answer_to_the_text_is_certain() {
    let at = At::Text;
    for code in [421, 451, 452] {
        let expected = not_sent(&format!("text: answer {code}"));
        assert_eq!(failing(at, Failing::Reply(code)).await, expected);
    }
    for code in [550, 552, 554] {
        let expected = refused(Refusal::Message, &format!("text: answer {code}"));
        assert_eq!(failing(at, Failing::Reply(code)).await, expected);
    }
    for (says, answer) in [
        ("550 5.7.1 looks like spam", "550 5.7.1"),
        ("552 5.3.4 too big", "552 5.3.4"),
        ("554 5.6.0 malformed", "554 5.6.0"),
    ] {
        let expected = refused(Refusal::Message, &format!("text: answer {answer}"));
        assert_eq!(failing(at, Failing::Says(says)).await, expected);
    }
    for (says, answer) in [
        ("550 5.1.8 bad outbound sender", "550 5.1.8"),
        ("554 5.2.252 may not send as sender", "554 5.2.252"),
        ("550 5.4.5 daily quota exceeded", "550 5.4.5"),
        ("550 5.7.26 unauthenticated sender", "550 5.7.26"),
        ("550 5.7.60 may not send as sender", "550 5.7.60"),
    ] {
        let expected = not_sent(&format!("text: answer {answer}"));
        assert_eq!(failing(at, Failing::Says(says)).await, expected);
    }
}

#[tokio::test]
async fn nobody_listening_and_a_silent_server_are_not_sent() {
    let (server, smtp) = impatient().await;
    server.fail(&[once(At::Connect, Failing::Hang)]);
    let silent = smtp.send(&message(ID)).await;
    assert_eq!(
        silent,
        Err(SendError::NotSent("connection: no answer in time".into()))
    );
    drop(server);
    // The port is free once the listener is gone, which the runtime sees to when it next looks.
    let free = Server::start().await.unwrap();
    let config = free.config();
    drop(free);
    let gone = Smtp::new(&SmtpConfig {
        port: config.port,
        ..config
    })
    .unwrap();
    let sent = gone.send(&message(ID)).await;
    assert!(matches!(sent, Err(SendError::NotSent(_))), "{sent:?}");
}

#[tokio::test]
async fn reasons_repeat_nothing_that_the_server_says() {
    for at in [
        At::Connect,
        At::Hello,
        At::Mail,
        At::Rcpt,
        At::Data,
        At::Text,
    ] {
        for code in [451, 550] {
            let (sent, _) = failing(at, Failing::Reply(code)).await;
            let reason = sent.unwrap_err().to_string();
            assert!(
                !reason.contains('@') && !reason.contains("refused is"),
                "{reason}"
            );
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_again_also_after_refusals() {
    let (server, smtp) = server().await;
    server.fail(&[
        once(At::Rcpt, Failing::Reply(550)),
        once(At::Text, Failing::Reply(550)),
    ]);
    for message in many(5) {
        let _ = smtp.send(&message).await;
    }
    assert_eq!(server.ids().len(), 3);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_has_died_is_replaced_without_a_second_copy() {
    let (server, smtp) = server().await;
    for how in [Failing::Drop, Failing::Reply(421)] {
        assert_eq!(smtp.send(&message(ID)).await, Ok(()));
        server.fail(&[once(At::Mail, how)]);
        assert_eq!(smtp.send(&message("n-2@example.com")).await, Ok(()));
    }
    let expected = [(ID, 2), ("n-2@example.com", 2)].map(|(id, times)| (id.to_owned(), times));
    assert_eq!(server.ids(), BTreeMap::from(expected));
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn an_uncertain_message_is_not_sent_again_by_itself() {
    let (server, smtp) = server().await;
    assert_eq!(smtp.send(&message("n-0@example.com")).await, Ok(()));
    server.fail(&[once(At::Text, Failing::KeepAndDrop)]);
    let sent = smtp.send(&message(ID)).await;
    assert!(matches!(sent, Err(SendError::Uncertain(_))));
    assert_eq!(smtp.send(&message("n-2@example.com")).await, Ok(()));
    assert!(
        server.ids().values().all(|times| *times == 1),
        "{:?}",
        server.ids()
    );
}

#[tokio::test]
async fn connections_are_limited_and_given_up_in_time() {
    let server = Server::start().await.unwrap();
    let config = SmtpConfig {
        connections: 3,
        ..server.config()
    };
    let smtp = Arc::new(Smtp::new(&config).unwrap());
    let sends: Vec<_> = many(30)
        .map(|message| {
            let smtp = smtp.clone();
            tokio::spawn(async move { smtp.send(&message).await })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap(), Ok(()));
    }
    server.taken(30).await;
    assert!(server.connections() <= 3, "{}", server.connections());
    smtp.close().await;
    let before = server.connections();
    for message in many(101) {
        assert_eq!(smtp.send(&message).await, Ok(()));
    }
    assert_eq!(
        server.connections(),
        before + 2,
        "one after close, one after 100 messages"
    );
}

#[tokio::test]
async fn a_wrong_password_is_ours_to_mend() {
    let server = Server::start().await.unwrap();
    let config = SmtpConfig {
        user: Some("creditor".into()),
        password: Some("secret".into()),
        ..server.config()
    };
    let smtp = Smtp::new(&config).unwrap();
    server.fail(&[once(At::Auth, Failing::Reply(535))]);
    let sent = smtp.send(&message(ID)).await;
    assert_eq!(
        sent,
        Err(SendError::NotSent("connection: answer 535".into()))
    );
    assert_eq!(smtp.send(&message(ID)).await, Ok(()));
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_if_tls_is_wanted() {
    for tls in [Tls::Starttls, Tls::Tls] {
        let server = Server::start().await.unwrap();
        server.keep_texts();
        let config = SmtpConfig {
            tls,
            host: "localhost".into(),
            ..server.config()
        };
        let smtp = Smtp::new(&config).unwrap();
        let sent = smtp.send(&message(ID)).await;
        assert!(
            matches!(sent, Err(SendError::NotSent(_))),
            "{tls:?} {sent:?}"
        );
        assert!(server.ids().is_empty());
    }
}

#[tokio::test]
async fn an_unusable_message_does_not_even_connect() {
    let (server, smtp) = server().await;
    let mut nobody = message(ID);
    nobody.to = "nobody".to_owned();
    let sent = smtp.send(&nobody).await;
    let expected = refused(Refusal::Address, "not an e-mail address").0;
    assert_eq!(sent, expected);
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_messages_arrive_once_each() {
    let server = Server::start().await.unwrap();
    let config = SmtpConfig {
        connections: 8,
        timeout_seconds: 30,
        ..server.config()
    };
    let smtp = Arc::new(Smtp::new(&config).unwrap());
    let mut sends = tokio::task::JoinSet::new();
    for message in many(2_000) {
        let smtp = smtp.clone();
        sends.spawn(async move { smtp.send(&message).await });
    }
    while let Some(sent) = sends.join_next().await {
        assert_eq!(sent.unwrap(), Ok(()));
    }
    let ids = server.ids();
    assert_eq!(ids.len(), 2_000);
    assert!(ids.values().all(|times| *times == 1));
}
