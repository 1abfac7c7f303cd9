//! What is left of an attempt's time.

use std::time::Duration;

use ureq::unversioned::transport::NextTimeout;

/// What is left of a time-out after so long: a peer that sends a few bytes now and then must not get the whole time again
/// for each of them.
pub(crate) fn left(timeout: NextTimeout, elapsed: Duration) -> NextTimeout {
    if timeout.after.is_not_happening() {
        return timeout;
    }
    let after = timeout.after.saturating_sub(elapsed).into();
    NextTimeout { after, ..timeout }
}
