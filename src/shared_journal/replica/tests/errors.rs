//! The rows of the errors that a server answers, and of answers that are none.

use super::*;
use crate::redis::Reply;

/// A batch under way, and a server that refuses it like this.
fn refused(error: &'static str) -> (Model, Process, Ticket) {
    let (mut model, mut one) = joined();
    model.refusal = Some(error);
    let (_, ticket) = one.accept(&[1], START);
    one.act(Some(&mut model), Fate::Answered, START);
    model.refusal = None;
    (model, one, ticket)
}

#[test]
fn unknown_scripts_are_loaded_and_the_whole_pipeline_is_sent_again() {
    let (mut model, mut one) = joined();
    model.flush_scripts();
    let (_, ticket) = one.accept(&[1], START);
    one.settle(&mut model, START);
    assert_eq!(one.take_events(), [Event::Kept(ticket)]);
}

#[test]
fn scripts_that_are_forgotten_at_once_are_not_loaded_without_a_pause() {
    let (mut model, mut one) = joined();
    let (_, ticket) = one.accept(&[1], START);
    let mut actions = 0;
    loop {
        model.flush_scripts();
        if !one.act(Some(&mut model), Fate::Answered, START) {
            break;
        }
        actions += 1;
        assert!(actions < 20, "it pauses");
    }
    assert_eq!(one.take_events(), [], "there is time left");
    one.settle(&mut model, START.after(400));
    assert_eq!(one.take_events(), [Event::Kept(ticket)]);
}

#[test]
fn a_server_that_is_not_ready_is_asked_again_after_a_while() {
    for error in [
        "LOADING Redis is loading the dataset in memory",
        "BUSY Redis is busy running a script",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN The cluster is down",
    ] {
        let (mut model, mut one, ticket) = refused(error);
        assert_eq!(one.take_events(), [Event::NotKept(ticket)], "{error}");
        assert!(!one.replica.is_accepting(START), "{error}");
        let next = one.replica.poll_timeout().unwrap();
        assert!(
            next >= START.after(100) && next <= START.after(1_000),
            "{error}"
        );
        one.settle(&mut model, next);
        assert!(one.replica.is_accepting(next), "{error}");
        assert_eq!(stored(&model), Vec::<usize>::new());
    }
}

#[test]
fn a_server_that_is_no_master_is_left_and_the_batch_is_kept_by_the_next() {
    for (error, moved) in [
        (
            "READONLY You can't write against a read only replica.",
            None,
        ),
        ("MASTERDOWN Link with MASTER is down", None),
        ("MOVED 3999 10.0.0.2:7000", Some("10.0.0.2:7000")),
    ] {
        let (mut model, mut one, ticket) = refused(error);
        assert_eq!((one.take_events(), one.moved.as_deref()), (vec![], moved));
        let action = one.replica.poll_action(START.after(1));
        assert!(matches!(action, Some(Action::Connect { .. })), "{error}");
        one.replica.handle_connected("2", START.after(2));
        one.settle(&mut model, START.after(2));
        assert_eq!(one.take_events(), [Event::Kept(ticket)], "{error}");
    }
}

#[test]
fn what_the_operator_has_to_mend_is_tried_again_once_a_second() {
    for error in [
        "NOREPLICAS Not enough good replicas to write.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "NOPERM this user has no permissions to run the 'evalsha' command",
        "ERR unknown",
    ] {
        let (mut model, mut one, ticket) = refused(error);
        assert_eq!(one.take_events(), [Event::NotKept(ticket)], "{error}");
        let trouble = one.replica.trouble().unwrap().to_string();
        let said = error.trim_end_matches('.');
        assert!(trouble.contains(said), "{trouble}");
        let next = one.replica.poll_timeout().unwrap();
        assert!(
            next >= START.after(500) && next <= START.after(1_000),
            "{error}"
        );
        one.settle(&mut model, next);
        assert!(one.replica.is_accepting(next), "{error}");
    }
}

#[test]
fn a_password_that_was_changed_needs_another_connection() {
    for error in [
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
    ] {
        let (_, mut one, ticket) = refused(error);
        assert_eq!(one.take_events(), [Event::NotKept(ticket)], "{error}");
        let action = one.replica.poll_action(START.after(1));
        assert!(matches!(action, Some(Action::Connect { .. })), "{error}");
        one.replica.handle_failure(error, START.after(1));
        let next = one.replica.poll_timeout().unwrap();
        assert!(next > START.after(1) && !one.replica.is_accepting(START.after(1)));
    }
}

#[test]
fn answers_that_belong_to_no_question_close_the_connection() {
    let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
    let odd = [
        Reply::Null,
        Reply::Integer(-1),
        Reply::Status("OK".to_owned()),
        bulk("?"),
        Reply::Array(vec![]),
        Reply::Array(vec![Reply::Integer(1)]),
        Reply::Array(vec![Reply::Integer(1), bulk("ok")]),
        Reply::Array(vec![Reply::Integer(1), bulk("fenced"), Reply::Null]),
        Reply::Array(vec![
            Reply::Integer(1),
            Reply::Integer(2),
            Reply::Integer(3),
        ]),
    ];
    for reply in odd {
        let (_, mut one) = joined();
        one.accept(&[1], START);
        let Some(Action::Exchange(exchange)) = one.replica.poll_action(START) else {
            panic!("an exchange")
        };
        let replies = vec![reply.clone(); exchange.replies];
        let next = one.replica.handle_replies(replies, START);
        assert_eq!(next, Next::Close { moved: None }, "{reply:?}");
        assert_eq!(one.replica.trouble(), Some(&Trouble::OutOfStep));
        one.note_events();
    }
}

#[test]
fn too_few_or_too_many_answers_close_the_connection() {
    for more in [-1, 1] {
        let (mut model, mut one) = joined();
        one.accept(&[1], START);
        let Some(Action::Exchange(exchange)) = one.replica.poll_action(START) else {
            panic!("an exchange")
        };
        let mut replies = model.exchange(&exchange.requests);
        replies.resize((replies.len() as i64 + more) as usize, Reply::Null);
        let next = one.replica.handle_replies(replies, START);
        assert_eq!(next, Next::Close { moved: None });
        one.note_events();
        assert_eq!(one.take_events(), []);
        one.settle(&mut model, START.after(1));
        assert_eq!(one.take_events().len(), 1, "it is sent again");
    }
}

#[test]
fn reconnections_back_off_and_begin_anew_after_a_connection_that_lasted() {
    let (mut model, mut one) = joined();
    one.replica.handle_failure("closed", START);
    let mut now = START;
    let mut waits = Vec::new();
    for _ in 0..8 {
        let next = one.replica.poll_timeout().unwrap();
        waits.push(next.millis_since(now));
        now = next;
        assert!(matches!(
            one.replica.poll_action(now),
            Some(Action::Connect { .. })
        ));
        one.replica.handle_failure("refused", now);
    }
    assert_eq!(waits[0], 0);
    assert!(
        waits[1] <= 50 && waits[7] > 400 && waits[7] <= 1_000,
        "{waits:?}"
    );
    let now = now.after(1_000);
    one.settle(&mut model, now);
    one.replica.handle_failure("an answer is too long", now);
    let next = one.replica.poll_timeout().unwrap();
    assert!(next >= now.after(500), "it lasted for no time: {next:?}");
    one.run(&mut model, next, next.after(3_000));
    let now = next.after(3_000);
    one.replica.handle_failure("closed", now);
    assert_eq!(one.replica.poll_timeout(), Some(now));
}
