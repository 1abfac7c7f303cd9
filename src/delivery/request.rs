//! The requests that replies are posted with. Replies go to one or two origins: what is the same for all of an origin is made
//! once, since ureq would parse, write and allocate it for each.

use ureq::Error;
use ureq::http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use ureq::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use ureq::http::{Method, Request};

/// Makes the requests of one sender thread.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// The origin of the last one.
    origin: Option<Origin>,
}

/// What all requests to an origin have in common.
#[derive(Debug)]
struct Origin {
    /// How their URLs begin.
    text: String,
    scheme: Scheme,
    authority: Authority,
    fields: HeaderMap,
}

impl Requests {
    /// A request that posts this content.
    pub(crate) fn post<'a>(
        &mut self,
        url: &str,
        content: &'a [u8],
    ) -> Result<Request<&'a [u8]>, Error> {
        let origin = match self
            .origin
            .take()
            .filter(|origin| origin.path(url).is_some())
        {
            Some(origin) => origin,
            None => Origin::of(url)?,
        };
        let origin = self.origin.insert(origin);
        let mut request = Request::new(content);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = origin.uri(url)?;
        *request.headers_mut() = origin.fields.clone();
        Ok(request)
    }
}

impl Origin {
    fn of(url: &str) -> Result<Self, Error> {
        let parts = url
            .parse::<Uri>()
            .map_err(ureq::http::Error::from)?
            .into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(Error::BadUri("it has no scheme or no host".to_owned()));
        };
        let mut fields = HeaderMap::new();
        fields.insert(HOST, host_field(&scheme, &authority)?);
        fields.insert(
            USER_AGENT,
            HeaderValue::from_static(super::agent::USER_AGENT),
        );
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self {
            text: format!("{scheme}://{authority}"),
            scheme,
            authority,
            fields,
        })
    }

    /// The path of a URL with this origin.
    fn path<'a>(&self, url: &'a str) -> Option<&'a str> {
        let path = url.strip_prefix(&self.text)?;
        path.starts_with('/').then_some(path)
    }

    fn uri(&self, url: &str) -> Result<Uri, ureq::http::Error> {
        let Some(path) = self.path(url) else {
            return Ok(url.parse()?);
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::try_from(path)?)
            .build()
    }
}

/// RFC 9110, section 7.2: without the port that the scheme has by default (section 4.2), and never with credentials.
fn host_field(scheme: &Scheme, authority: &Authority) -> Result<HeaderValue, Error> {
    let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let host = authority.host();
    let value = match authority.port_u16().filter(|port| *port != default) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    Ok(value.map_err(ureq::http::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host<'a>(request: &'a Request<&[u8]>) -> &'a str {
        request.headers()[HOST].to_str().unwrap()
    }

    /// An origin may change with every reply, and nothing of the last one stays.
    #[test]
    fn each_request_goes_to_its_own_url_and_names_its_host() {
        let mut requests = Requests::default();
        for (url, named) in [
            ("https://hooks.slack.com/commands/T1/2/x", "hooks.slack.com"),
            (
                "https://hooks.slack.com/commands/T1/3/y?z",
                "hooks.slack.com",
            ),
            ("https://hooks.slack.com:444/x", "hooks.slack.com:444"),
            (
                "https://hooks.slack.com.example/x",
                "hooks.slack.com.example",
            ),
            ("https://hooks.slack.com", "hooks.slack.com"),
            ("https://hooks.slack.com:443/x", "hooks.slack.com"),
            ("http://hooks.slack.com:443/x", "hooks.slack.com:443"),
            ("http://hooks.slack.com:80/x", "hooks.slack.com"),
            ("http://[::1]:8000/x", "[::1]:8000"),
            ("http://127.0.0.1/x", "127.0.0.1"),
        ] {
            for _ in 0..2 {
                let request = requests.post(url, b"{}").unwrap();
                assert_eq!(*request.uri(), url, "{url}");
                assert_eq!(host(&request), named, "{url}");
                assert_eq!(request.headers().len(), 3);
                assert_eq!(
                    (request.method(), *request.body()),
                    (&Method::POST, &b"{}"[..])
                );
            }
        }
    }

    #[test]
    fn what_is_no_url_is_refused_each_time() {
        let mut requests = Requests::default();
        requests.post("http://127.0.0.1/x", b"").unwrap();
        for url in [
            "",
            "/x",
            "hooks.slack.com",
            "http://",
            "http:///x",
            "http://a b/",
            "http://127.0.0.1/\u{7f}",
        ] {
            assert!(requests.post(url, b"").is_err(), "{url}");
            assert!(requests.post(url, b"").is_err(), "{url}");
        }
        assert!(requests.post("http://127.0.0.1/x", b"").is_ok());
    }
}
