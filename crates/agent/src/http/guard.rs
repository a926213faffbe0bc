//! The guard of the HTTP API: which requests pass.
//!
//! A web page that is open on the operator's machine can send requests to loopback, and by a DNS name that it points to 127.0.0.1 it
//! could even read the answers (DNS rebinding). So on loopback, where no token is asked for, the name in `Host` must be one of this machine's
//! own, and a browser's `Origin` and `Sec-Fetch-Site` must say that the request comes from the API itself. Any other address asks for a token, which
//! no page knows. The Unix socket is out of a page's reach, and its mode says who may use it.

use crate::http::reply::HttpError;
use crate::token::Token;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// The requirement of one listener.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Nothing: the mode of the Unix socket decides who may connect.
    Socket,
    /// A host name of this machine, or one of these; no foreign origin.
    Loopback(Arc<[String]>),
    /// This token, which may be changed while it is asked for.
    Token(Arc<RwLock<Token>>),
}

/// Lets a request pass, or refuses it with the reason.
pub async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Result<Response, HttpError> {
    match &guard {
        Guard::Socket => {}
        Guard::Loopback(hosts) => check_host(request.headers(), hosts)?,
        Guard::Token(token) => {
            check_token(request.headers(), &token.read().unwrap_or_else(PoisonError::into_inner))?
        }
    }
    Ok(next.run(request).await)
}

fn forbidden(error: impl Into<String>, hint: &str) -> HttpError {
    HttpError::new(StatusCode::FORBIDDEN, error, hint)
}

fn check_host(headers: &HeaderMap, extra: &[String]) -> Result<(), HttpError> {
    let host = text(headers, header::HOST).ok_or_else(|| {
        forbidden("the request names no host", "send a Host header, such as Host: localhost")
    })?;
    if !is_own(host, extra) {
        return Err(forbidden(
            format!("{host:?} is no name of this machine's loopback interface"),
            "a web page may be behind this (DNS rebinding); ask by 127.0.0.1, [::1] or localhost, or name the host in http_hosts",
        ));
    }
    let foreign = |what: String| {
        let hint = "a web page may be behind this; programs send no Origin, and pages must come from the API's own address";
        Err(forbidden(what, hint))
    };
    if headers.contains_key(header::ORIGIN) {
        let origin = text(headers, header::ORIGIN).unwrap_or_default();
        if !origin.strip_prefix("http://").is_some_and(|from| from.eq_ignore_ascii_case(host)) {
            return foreign(format!("the request comes from a page of {origin:?}"));
        }
    }
    match text(headers, header::HeaderName::from_static("sec-fetch-site")) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(site) => foreign(format!("a browser says that the request is {site:?}")),
    }
}

fn check_token(headers: &HeaderMap, token: &Token) -> Result<(), HttpError> {
    let offered = text(headers, header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, offered)| offered.trim());
    let refused = |error: &str| {
        let hint = "send the header Authorization: Bearer …, with the token of the agent's http_token_file; or use the agent's Unix socket";
        Err(HttpError::new(StatusCode::UNAUTHORIZED, error, hint))
    };
    match offered {
        Some(offered) if token.is(offered.as_bytes()) => Ok(()),
        Some(_) => refused("the token is wrong"),
        None => refused("this address asks for a token"),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// Whether `host`, with or without a port, is this machine as seen from itself.
fn is_own(host: &str, extra: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((ip, port)) if port.is_empty() || is_port(port.strip_prefix(':')) => ip,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_port(Some(port)) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
        || name.eq_ignore_ascii_case("localhost")
        || extra.iter().any(|own| own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(host))
}

fn is_port(port: Option<&str>) -> bool {
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_names_pass_for_hosts() {
        let extra = ["gossip.example".to_string(), "proxy.example:8080".to_string()];
        for own in [
            "localhost",
            "LOCALHOST:7901",
            "127.0.0.1:7901",
            "127.9.9.9",
            "[::1]:7901",
            "[::1]",
            "[::ffff:127.0.0.1]:1",
            "gossip.example:7901",
            "proxy.example:8080",
        ] {
            assert!(is_own(own, &extra), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:7901",
            "127.0.0.1.evil.example",
            "localhost.evil.example:7901",
            "10.0.0.1",
            "[::1]evil",
            "[::1",
            "localhost:evil",
            "0.0.0.0:7901",
            "",
            "evil@localhost",
        ] {
            assert!(!is_own(foreign, &extra), "{foreign}");
        }
    }

    #[test]
    fn a_foreign_page_is_refused_and_a_program_or_the_apis_own_page_passes() {
        let headers = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers
                    .append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            headers
        };
        let host = ("host", "127.0.0.1:7901");
        for fine in [
            vec![host],
            vec![host, ("origin", "http://127.0.0.1:7901")],
            vec![host, ("sec-fetch-site", "same-origin")],
            vec![host, ("sec-fetch-site", "none")],
        ] {
            assert_eq!(check_host(&headers(&fine), &[]), Ok(()), "{fine:?}");
        }
        for foreign in [
            vec![],
            vec![host, host],
            vec![("host", "evil.example")],
            vec![("host", "evil.example"), ("origin", "http://evil.example")],
            vec![host, ("origin", "http://evil.example")],
            vec![host, ("origin", "https://127.0.0.1:7901")],
            vec![host, ("origin", "http://127.0.0.1:80")],
            vec![host, ("origin", "null")],
            vec![host, ("origin", "http://127.0.0.1:7901"), ("origin", "http://evil.example")],
            vec![host, ("sec-fetch-site", "cross-site")],
            vec![host, ("sec-fetch-site", "same-site")],
        ] {
            let failure = check_host(&headers(&foreign), &[]).unwrap_err();
            assert_eq!(failure.status, StatusCode::FORBIDDEN, "{foreign:?}");
        }
    }
}
