//! The bot as the service of the public address.

use crate::app::Bot;
use crate::endpoint::service::Service;
use crate::http::{self, Hold, Request, Response};
use crate::time::Now;

impl Service for Bot {
    fn handle_request(&mut self, request: &Request<'_>, now: Now) -> Response {
        Self::handle_request(self, request, now)
    }

    fn on_fault(&mut self, error: http::Error, now: Now) {
        Self::on_fault(self, error, now);
    }

    fn answer_held(&mut self, hold: Hold, is_kept: bool, _: Now) -> Response {
        Self::answer_held(self, hold, is_kept)
    }

    fn withdraw(&mut self, hold: Hold, now: Now) -> Response {
        self.withdraw_held(hold, now)
    }
}
