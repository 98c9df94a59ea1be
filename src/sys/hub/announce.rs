//! What a hub's answers say beside their bytes: redirects, hashes, sizes, reasons, how long to wait.

use std::time::Duration;

use jiff::Timestamp;
use ureq::http::{HeaderMap, Uri};

use crate::model::Digest;

/// An address, in the parts that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `https://host:port`, in lower case.
    origin: String,
    /// From the slash on, with the query.
    rest: String,
}

impl Address {
    /// Of http or https; anything else is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
        let authority = uri.authority()?;
        // Whoever writes a name and a password into an address means them to be sent, and they would be logged.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let host = authority.host().to_ascii_lowercase();
        // Brackets hold a numbered address, whole, or the host is none.
        if host.contains(['[', ']']) && !(host.starts_with('[') && host.ends_with(']') && host.len() > 3) {
            return None;
        }
        let port = match (authority.port_u16(), scheme) {
            (None, _) | (Some(80), "http") | (Some(443), "https") => String::new(),
            (Some(port), _) => format!(":{port}"),
        };
        let rest = uri.path_and_query().map_or("/", |rest| rest.as_str()).to_owned();
        Some(Address { origin: format!("{scheme}://{host}{port}"), rest })
    }

    /// Where a redirect from here leads.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        if location.starts_with("//") {
            let (scheme, _) = self.origin.split_once(':')?;
            return Address::parse(&format!("{scheme}:{location}"));
        }
        if location.starts_with('/') {
            return Address::parse(&format!("{}{location}", self.origin));
        }
        Address::parse(location)
    }

    pub(super) fn same_origin(&self, other: &Address) -> bool {
        self.origin == other.origin
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// Whether what is sent there can be read by nobody on the way.
    pub(super) fn is_private(&self) -> bool {
        let host = self.origin.split_once("://").map_or("", |(_, host)| host);
        // The colons of a numbered address stand in brackets; the one before a port does not.
        let host = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(host, _)| host);
        self.is_encrypted() || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    }

    pub(super) fn text(&self) -> String {
        format!("{}{}", self.origin, self.rest)
    }

    /// Without the query, which often is a key to the file.
    pub(super) fn shown(&self) -> String {
        let path = self.rest.split(['?', '#']).next().unwrap_or_default();
        format!("{}{path}", self.origin)
    }
}

/// One part of a path, with everything but plain signs as `%XX`.
pub(super) fn encoded(part: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    part.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// What a hub says of a file when it is asked for it; a mirror behind a redirect isn't listened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) digest: Option<Digest>,
    pub(super) size: Option<u64>,
}

impl Announced {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let etag = text("x-linked-etag").or_else(|| text("etag"));
        Announced {
            digest: etag.and_then(Digest::parse),
            size: text("x-linked-size").and_then(|size| size.trim().parse().ok()),
        }
    }
}

/// The bytes that an answer holds: where they begin, and how long the whole file is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) whole: Option<u64>,
}

impl Extent {
    /// None where a part is sent that nobody can place.
    pub(super) fn of(status: u16, headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if status != 206 {
            let whole = text("content-length").and_then(|length| length.trim().parse().ok());
            return Some(Extent { start: 0, whole });
        }
        let (range, whole) = text("content-range")?.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, _) = range.split_once('-')?;
        Some(Extent { start: start.trim().parse().ok()?, whole: whole.trim().parse().ok() })
    }
}

/// How long the server asks to be left alone: in seconds, as a date, or in the hub's own `RateLimit`.
pub(super) fn pause(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(after) = text("retry-after") {
        if let Ok(seconds) = after.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = jiff::fmt::rfc2822::parse(after).ok()?.timestamp();
        return Some(Duration::try_from(until.duration_since(now)).unwrap_or_default());
    }
    let seconds = text("ratelimit")?.split(';').find_map(|part| part.trim().strip_prefix("t="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn redirects_lead_where_they_say_and_nowhere_odd() {
        let from = Address::parse("https://hub.example/a/b?x=1").expect("an address");
        let to = |location| from.join(location).map(|to| to.text());
        assert_eq!(to("/c?d=e").as_deref(), Some("https://hub.example/c?d=e"));
        assert_eq!(to("https://CDN.example:443/c").as_deref(), Some("https://cdn.example/c"));
        assert_eq!(to("//cdn.example/c").as_deref(), Some("https://cdn.example/c"));
        for odd in ["", "c", "file:///etc/passwd", "ftp://x/y", "https://", "https://me:secret@x/y", "javascript:1"] {
            assert_eq!(to(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_token_goes_where_it_was_meant_to() {
        let address = |text| Address::parse(text).expect("an address");
        let hub = address("https://hub.example/api");
        for (text, same) in [
            ("https://hub.example/other", true),
            ("https://HUB.example:443/", true),
            ("http://hub.example/", false),
            ("https://hub.example:444/", false),
            ("https://hub.example.evil.example/", false),
            ("https://evil.example/https://hub.example/", false),
        ] {
            assert_eq!(hub.same_origin(&address(text)), same, "{text}");
        }
        for (text, private) in [
            ("https://hub.example/", true),
            ("http://hub.example/", false),
            ("http://localhost:80/", true),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://[::1]/", true),
            ("http://[::2]/", false),
            ("http://127.0.0.1.evil.example/", false),
        ] {
            assert_eq!(address(text).is_private(), private, "{text}");
        }
    }

    #[test]
    fn queries_are_not_shown() {
        let address = Address::parse("https://cdn.example/f?Signature=secret").expect("an address");
        assert_eq!(address.shown(), "https://cdn.example/f");
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let now: Timestamp = "2026-02-01T06:00:00Z".parse().expect("a time");
        let seconds = |name, value| pause(&headers(&[(name, value)]), now).map(|p| p.as_secs());
        assert_eq!(seconds("retry-after", "7"), Some(7));
        assert_eq!(seconds("retry-after", "Sun, 01 Feb 2026 06:01:00 GMT"), Some(60));
        assert_eq!(seconds("retry-after", "Sun, 01 Feb 2026 05:00:00 GMT"), Some(0), "it is over");
        assert_eq!(seconds("retry-after", "soon"), None);
        assert_eq!(seconds("ratelimit", "\"api\";r=0;t=243"), Some(243));
        assert_eq!(seconds("x", "7"), None);
    }

    #[test]
    fn parts_of_files_are_placed() {
        let of = |status, pairs: &[(&'static str, &str)]| Extent::of(status, &headers(pairs));
        assert_eq!(of(200, &[("content-length", "9")]), Some(Extent { start: 0, whole: Some(9) }));
        assert_eq!(of(206, &[("content-range", "bytes 4-8/9")]), Some(Extent { start: 4, whole: Some(9) }));
        assert_eq!(of(206, &[("content-range", "bytes 4-8/*")]), Some(Extent { start: 4, whole: None }));
        assert_eq!(of(206, &[("content-range", "lines 4-8/9")]), None);
        assert_eq!(of(206, &[]), None);
    }

    proptest! {
        #[test]
        fn no_location_is_too_odd(location in "\\PC{0,20}|https?://[a-z@:/.\\[\\]0-9]{0,16}") {
            let from = Address::parse("https://hub.example/a").expect("an address");
            if let Some(to) = from.join(&location) {
                prop_assert!(to.text().starts_with("http"));
                let again = Address::parse(&to.text());
                prop_assert_eq!(again, Some(to));
            }
        }

        #[test]
        fn encoded_parts_have_plain_signs_alone(part in "\\PC{0,12}") {
            let encoded = encoded(&part);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b)));
            prop_assert!(!part.contains('/') || encoded.contains("%2F"));
        }
    }
}
