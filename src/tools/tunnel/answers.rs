//! What programs of tunnels answer, read.

use crate::tools::json::{Value, field, parse, text};

/// A way from a public URL to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tunnel {
    /// The public URL, as the program says it.
    pub(super) url: String,
    /// What it leads to, as the program says it: a URL, `host:port` or a port.
    pub(super) upstream: String,
}

/// `GET /api/endpoints` of ngrok's agent; `None` if this is not the answer to that.
pub(super) fn ngrok_endpoints(json: &[u8]) -> Option<Vec<Tunnel>> {
    listed(json, "endpoints", |endpoint| {
        let upstream = field(endpoint, "upstream")?;
        tunnel(text(endpoint, "url")?, text(upstream, "url")?)
    })
}

/// `GET /api/tunnels` of ngrok's agent, likewise.
pub(super) fn ngrok_tunnels(json: &[u8]) -> Option<Vec<Tunnel>> {
    listed(json, "tunnels", |tunnel_of_list| {
        let config = field(tunnel_of_list, "config")?;
        tunnel(text(tunnel_of_list, "public_url")?, text(config, "addr")?)
    })
}

/// `GET /quicktunnel` of cloudflared: the name of its quick tunnel, empty if it has none.
pub(super) fn cloudflared_name(json: &[u8]) -> Option<String> {
    let answer = parse(json)?;
    text(&answer, "hostname").map(str::to_owned)
}

/// `GET /config` of cloudflared: what its names lead to. A rule for any name is for the quick tunnel
/// (github.com/cloudflare/cloudflared, `ingress/rule.go`).
pub(super) fn cloudflared_rules(json: &[u8], quick: &str) -> Option<Vec<Tunnel>> {
    let answer = parse(json)?;
    let Value::Array(rules) = field(field(&answer, "config")?, "ingress")? else {
        return None;
    };
    let rule = |rule: &Value<'_>| {
        let name = text(rule, "hostname").filter(|name| !matches!(*name, "" | "*"));
        let name = name.unwrap_or(quick);
        // `http_status:404` and `hello_world` are answers of cloudflared's own.
        let service = text(rule, "service").filter(|service| service.contains("://"))?;
        let is_name = !name.is_empty() && !name.contains('*');
        is_name.then(|| tunnel(&format!("https://{name}"), service))?
    };
    Some(rules.iter().filter_map(rule).collect())
}

/// The entries of a list that `read` can use: an agent also has tunnels without an upstream, and those of TCP.
fn listed<'a>(
    json: &'a [u8],
    name: &str,
    read: impl Fn(&Value<'a>) -> Option<Tunnel>,
) -> Option<Vec<Tunnel>> {
    let answer = parse(json)?;
    match field(&answer, name)? {
        Value::Array(entries) => Some(entries.iter().filter_map(read).collect()),
        _ => None,
    }
}

fn tunnel(url: &str, upstream: &str) -> Option<Tunnel> {
    let is_http = ["http://", "https://"].iter().any(|scheme| {
        let start = url.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    is_http.then(|| Tunnel {
        url: url.to_owned(),
        upstream: upstream.to_owned(),
    })
}

/// The port that an upstream has: `http://localhost:8000`, `[::1]:8000`, `8000`; the scheme's own if it says none.
pub(super) fn port(upstream: &str) -> Option<u16> {
    let (scheme, rest) = upstream.split_once("://").unwrap_or(("http", upstream));
    let of_scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Ok(port) = authority.parse() {
        return Some(port);
    }
    match authority.rsplit_once(':') {
        // A colon of an IPv6 address.
        Some((_, port)) if port.ends_with(']') => Some(of_scheme),
        Some((_, port)) => port.parse().ok(),
        None => (!authority.is_empty()).then_some(of_scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(tunnels: Option<Vec<Tunnel>>) -> Option<Vec<(String, String)>> {
        let pair = |tunnel: Tunnel| (tunnel.url, tunnel.upstream);
        tunnels.map(|tunnels| tunnels.into_iter().map(pair).collect())
    }

    fn one(url: &str, upstream: &str) -> Option<Vec<(String, String)>> {
        Some(vec![(url.to_owned(), upstream.to_owned())])
    }

    #[test]
    fn ngroks_lists_are_read() {
        // As in the documentation of the agent's API.
        let endpoints = br#"{"endpoints": [{"name": "command_line", "uri": "/api/endpoints/command_line",
            "url": "https://871e40f2d4c2.ngrok.paid.lan",
            "upstream": {"url": "http://localhost:8000", "protocol": "https"}, "inspect": true,
            "traffic_policy": "on_http_request:\n - actions:\n - type: custom-response\n", "pooling_enabled": true},
            {"name": "tcp", "url": "tcp://1.tcp.ngrok.io:12345", "upstream": {"url": "tcp://localhost:22"}},
            {"name": "cloud", "url": "https://a.ngrok.app"}, null]}"#;
        assert_eq!(
            pairs(ngrok_endpoints(endpoints)),
            one(
                "https://871e40f2d4c2.ngrok.paid.lan",
                "http://localhost:8000"
            )
        );
        let tunnels = br#"{"tunnels": [{"name": "command_line", "uri": "/api/tunnels/command_line",
            "public_url": "https://d95211d2.ngrok.app", "proto": "https",
            "config": {"addr": "localhost:80", "inspect": true},
            "metrics": {"conns": {"count": 0, "rate1": 0.25e-3}, "http": {"p99": -1}}}], "uri": "/api/tunnels"}"#;
        assert_eq!(
            pairs(ngrok_tunnels(tunnels)),
            one("https://d95211d2.ngrok.app", "localhost:80")
        );
        assert_eq!(pairs(ngrok_endpoints(br#"{"endpoints":[]}"#)), Some(vec![]));
        assert_eq!(pairs(ngrok_endpoints(tunnels)), None);
        assert_eq!(pairs(ngrok_tunnels(endpoints)), None);
        assert_eq!(pairs(ngrok_tunnels(br#"{"tunnels":null}"#)), None);
    }

    #[test]
    fn escapes_in_a_url_are_read() {
        let json = br#"{"endpoints":[{"url":"https:\/\/a.\u0062","upstream":{"url":"http://c:1/?\u0026"}}]}"#;
        assert_eq!(
            pairs(ngrok_endpoints(json)),
            one("https://a.b", "http://c:1/?&")
        );
    }

    #[test]
    fn cloudflareds_names_are_read() {
        let name = |json: &str| cloudflared_name(json.as_bytes());
        assert_eq!(
            name(r#"{"hostname":"a.trycloudflare.com"}"#).unwrap(),
            "a.trycloudflare.com"
        );
        assert_eq!(name(r#"{"hostname":""}"#).unwrap(), "");
        for other in [
            "",
            "OK\n",
            "404 page not found",
            r#"{"status":200}"#,
            r#"{"hostname":1}"#,
        ] {
            assert_eq!(name(other), None, "{other}");
        }
        let rules = |json: &str, quick| pairs(cloudflared_rules(json.as_bytes(), quick));
        let quick = r#"{"version":0,"config":{"ingress":[{"hostname":"","path":null,
            "service":"http://localhost:8000","Handlers":null,"originRequest":{}}],"warp-routing":{}}}"#;
        assert_eq!(
            rules(quick, "a.trycloudflare.com"),
            one("https://a.trycloudflare.com", "http://localhost:8000")
        );
        assert_eq!(rules(quick, ""), Some(vec![]));
        let any = r#"{"config":{"ingress":[{"hostname":"*","service":"http://localhost:8000"}]}}"#;
        assert_eq!(
            rules(any, "a.trycloudflare.com"),
            one("https://a.trycloudflare.com", "http://localhost:8000")
        );
        let named = r#"{"config":{"ingress":[{"hostname":"bot.a.example","service":"http://localhost:8000"},
            {"hostname":"*.a.example","service":"http://localhost:8000"},{"hostname":"a.b","service":"hello_world"},{"service":"http_status:404"}]}}"#;
        assert_eq!(
            rules(named, "quick"),
            one("https://bot.a.example", "http://localhost:8000")
        );
        assert_eq!(rules("{}", "a"), None);
    }

    #[test]
    fn an_upstream_has_a_port() {
        for (upstream, expected) in [
            ("http://localhost:8000", Some(8000)),
            ("HTTP://127.0.0.1:8000/slack", Some(8000)),
            ("https://[::1]:8443", Some(8443)),
            ("http://[::1]", Some(80)),
            ("https://localhost/", Some(443)),
            ("localhost:80", Some(80)),
            ("[::1]:8000", Some(8000)),
            ("8000", Some(8000)),
            ("localhost", Some(80)),
            ("http://localhost:99999", None),
            ("tcp://localhost:22", None),
            ("unix:/run/torrap.sock", None),
            ("", None),
        ] {
            assert_eq!(port(upstream), expected, "{upstream}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (ngrok_endpoints(&bytes), ngrok_tunnels(&bytes), cloudflared_name(&bytes));
            let _ = (cloudflared_rules(&bytes, "a"), port(&String::from_utf8_lossy(&bytes)));
        }
    }
}
