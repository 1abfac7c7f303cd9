//! The proxy that replies go through, from the variables that every HTTP client reads.

use std::ffi::OsString;

use super::error::ShownUrl;
use super::no_proxy::NoProxy;
use super::notice::Notice;
use super::pasted::clean;

/// Most entries of `NO_PROXY` that get a line because they have no effect.
const IGNORED_LINES_MAX: usize = 4;

/// A proxy as the environment names it. Whether its URL is usable is judged when the HTTP client is built.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The variable that names it, for the error that says so.
    pub variable: &'static str,
    /// Its URL, which may hold a password.
    pub url: String,
    /// Hosts that are reached without it, from `NO_PROXY`.
    pub no_proxy: NoProxy,
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
            let text = variable(name)?.to_string_lossy().into_owned();
            Some(clean(&text).to_owned()).filter(|text| !text.is_empty())
        };
        let (name, url) = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .into_iter()
            .find_map(|name| text(name).map(|url| (name, url)))?;
        let no_proxy = text("NO_PROXY").or_else(|| text("no_proxy"));
        Some(Self {
            variable: name,
            url,
            no_proxy: NoProxy::parse(&no_proxy.unwrap_or_default()),
        })
    }

    /// A warning for each entry of `NO_PROXY` that has no effect, up to a few of them.
    pub fn notices(&self) -> impl Iterator<Item = Notice> + '_ {
        let ignored = self.no_proxy.ignored().iter().take(IGNORED_LINES_MAX);
        ignored.map(|text| {
            Notice::warning(format!(
                "NO_PROXY: {} is of no known form and has no effect; give a host or a domain, perhaps with a \
                 port, an IP address, a range such as 10.0.0.0/8, or *",
                ShownUrl(text)
            ))
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
        let proxy = proxy.unwrap();
        assert!(proxy.no_proxy.covers("x.b.example", 443) && proxy.notices().next().is_none());
    }

    #[test]
    fn entries_without_effect_get_a_warning_each_up_to_a_few() {
        let list = "a.example,http://b.example,10.0.0.*";
        let proxy = from(&[("HTTPS_PROXY", "http://p:2"), ("NO_PROXY", list)]).unwrap();
        let lines: Vec<_> = proxy.notices().map(|notice| notice.line).collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1].starts_with("NO_PROXY: \"10.0.0.*\" is of no known form"),
            "{lines:?}"
        );
        let list = "?,".repeat(1000);
        let proxy = from(&[("HTTPS_PROXY", "http://p:2"), ("NO_PROXY", &list)]).unwrap();
        assert_eq!(proxy.notices().count(), IGNORED_LINES_MAX);
    }

    #[test]
    fn what_is_pasted_around_a_url_is_no_part_of_it() {
        for url in [" http://p:2\r\n", "\"http://p:2\"", "\u{feff}http://p:2"] {
            assert_eq!(from(&[("HTTPS_PROXY", url)]).unwrap().url, "http://p:2");
        }
        assert_eq!(from(&[("HTTPS_PROXY", "\"\"")]), None);
    }

    #[test]
    fn debug_shows_no_password() {
        let proxy = from(&[("HTTPS_PROXY", "http://u:secret@p:2")]).unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(from HTTPS_PROXY)");
    }
}
