//! What answers the requests of an address, and the context of one turn that it is called in.

use crate::http::{self, Hold, Request, Response, Status};
use crate::time::Now;

/// The context that a turn's phases share.
pub(crate) struct Turn<'a, S> {
    pub(crate) now: Now,
    /// Answers the requests.
    pub(crate) service: &'a mut S,
}

/// Answers the requests of sessions.
pub(crate) trait Service {
    /// Answers a request.
    fn handle_request(&mut self, request: &Request<'_>, now: Now) -> Response;
    /// Counts and logs a fault that the connection has answered by itself.
    fn on_fault(&mut self, error: http::Error, now: Now);

    /// The response to a request whose response was held, now that what it waited for is kept, or cannot be. Never
    /// called for a service that holds no response.
    fn answer_held(&mut self, _: Hold, _is_kept: bool, _: Now) -> Response {
        Response::empty(Status::ServiceUnavailable)
    }

    /// Withdraws a command whose response was held for too long, and gives the response to send instead.
    fn withdraw(&mut self, _: Hold, _: Now) -> Response {
        Response::empty(Status::ServiceUnavailable)
    }
}
