//! Commands from the request to the reply.

use crate::support::Torrap;

#[test]
fn a_command_is_acknowledged_with_nothing_and_answered_reversed() {
    let torrap = Torrap::start();
    let response = torrap.command("sdrawkcab si siht");
    assert_eq!((response.status, response.content.len()), (200, 0));
    assert!(response.head.contains("\r\nContent-Length: 0\r\n"));
    assert!(!response.head.contains("Content-Type"));
    let post = &torrap.posts(1)[0];
    assert_eq!(post.content, br#"{"text": "this is backwards"}"#);
    assert_eq!(post.content_type, "application/json");
    assert_eq!(post.path, "/commands/T0001/1/secret-path");
    assert_eq!(torrap.replies(1), ["this is backwards"]);
    torrap.begin_stop();
    assert_eq!(torrap.stop(), 0);
}
