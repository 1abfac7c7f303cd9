//! The proxy that replies go through, from the variables that every HTTP client reads.

use std::ffi::OsString;

/// A proxy as the environment names it; whether it is one is judged when the HTTP client is built.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The variable that names it, for the error that says so.
    pub variable: &'static str,
    /// Its URL, which may hold a password.
    pub url: String,
    /// Hosts that are reached without it, from `NO_PROXY`.
    pub no_proxy: Vec<String>,
}

/// By hand, since the URL may hold a password.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy(from {})", self.variable)
    }
}

impl Proxy {
    /// The proxy for https, if a variable names one; the lower-case spelling counts as well, and a
    /// variable that is set to nothing names none.
    #[must_use]
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        // What is not UTF-8 stays wrong, so that it is refused and not passed over.
        let text = |name| {
            Some(variable(name)?.to_string_lossy().into_owned())
                .filter(|text| !text.trim().is_empty())
        };
        let (name, url) = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .into_iter()
            .find_map(|name| text(name).map(|url| (name, url)))?;
        let no_proxy = text("NO_PROXY")
            .or_else(|| text("no_proxy"))
            .unwrap_or_default();
        let hosts = no_proxy
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty());
        Some(Self {
            variable: name,
            url,
            no_proxy: hosts.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Option<Proxy> {
        Proxy::from_variables(&|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_first_variable_that_is_set_names_it() {
        assert_eq!(from(&[]), None);
        assert_eq!(
            from(&[("HTTPS_PROXY", " "), ("HTTP_PROXY", "http://h:1")]),
            None
        );
        let proxy = from(&[("ALL_PROXY", "http://a:1"), ("https_proxy", "http://p:2")]).unwrap();
        assert_eq!(
            (proxy.variable, proxy.url.as_str()),
            ("https_proxy", "http://p:2")
        );
    }

    #[cfg(unix)]
    #[test]
    fn one_that_is_not_utf_8_is_not_passed_over() {
        use std::os::unix::ffi::OsStringExt;
        let bad = || OsString::from_vec(b"http://\xff:1".to_vec());
        let proxy = Proxy::from_variables(&|name| (name == "HTTPS_PROXY").then(bad));
        assert_eq!(proxy.unwrap().url, "http://\u{fffd}:1");
    }

    #[test]
    fn hosts_without_it_are_a_list() {
        let proxy = from(&[
            ("HTTPS_PROXY", "http://p:2"),
            ("no_proxy", "a.example, .b.example,,"),
        ]);
        assert_eq!(proxy.unwrap().no_proxy, ["a.example", ".b.example"]);
    }

    #[test]
    fn debug_shows_no_password() {
        let proxy = from(&[("HTTPS_PROXY", "http://u:secret@p:2")]).unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(from HTTPS_PROXY)");
    }
}
