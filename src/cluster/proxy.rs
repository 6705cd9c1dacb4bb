use std::net::IpAddr;

use http::Uri;

/// The proxy for a server, by the rules that kubectl goes by: the cluster's own `proxy-url` first; else the environment's,
/// unless `NO_PROXY` or loopback exempts the server.
pub(super) fn proxy_for(
    server: &Uri,
    of_cluster: Option<&str>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, String> {
    if let Some(own) = of_cluster.filter(|own| !own.is_empty()) {
        return parse(own, "proxy-url").map(Some);
    }
    let either = |upper: &str| {
        env(upper).filter(|v| !v.is_empty()).or_else(|| env(&upper.to_lowercase())).filter(|v| !v.is_empty())
    };
    let name = if server.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" };
    let Some(proxy) = either(name) else { return Ok(None) };
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    let host = server.host().unwrap_or_default();
    if exempt(host, port, either("NO_PROXY").as_deref().unwrap_or_default()) {
        return Ok(None);
    }
    parse(&proxy, name).map(Some)
}

fn parse(text: &str, name: &str) -> Result<Uri, String> {
    // a proxy without a scheme is an http one
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = full.parse().map_err(|_| format!("{name} is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") if uri.host().is_some() => Ok(uri),
        Some("socks5h") => full.replacen("socks5h", "socks5", 1).parse().map_err(|_| format!("{name} is not a URL")),
        _ => Err(format!("{name} has a scheme that is not http, https or socks5")),
    }
}

fn exempt(host: &str, port: u16, no_proxy: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(entry, &host, address, port))
}

fn matches(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let entry = entry.to_lowercase();
    if let (Some((network, bits)), Some(address)) = (entry.split_once('/'), address) {
        return in_network(network, bits, address);
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse::<u16>().ok()),
        _ => (entry.trim_matches(['[', ']']), None),
    };
    if wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Some(address) = address {
        return name.parse() == Ok(address);
    }
    // `.example.com` and `*.example.com` leave example.com itself out, `example.com` does not
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn in_network(network: &str, bits: &str, address: IpAddr) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) if bits <= 32 => {
            let shift = 32 - bits;
            u64::from(network.to_bits()) >> shift == u64::from(address.to_bits()) >> shift
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) if bits <= 128 => {
            bits == 0 || network.to_bits() >> (128 - bits) == address.to_bits() >> (128 - bits)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(server: &str, own: Option<&str>, env: &[(&str, &str)]) -> Option<String> {
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        proxy_for(&server.parse().unwrap(), own, env).unwrap().map(|uri| uri.to_string())
    }

    #[test]
    fn the_cluster_s_own_proxy_comes_before_the_environment() {
        let env = [("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", "*")];
        assert_eq!(chosen("https://k8s:6443", Some("socks5://own:2"), &env).unwrap(), "socks5://own:2/");
    }

    #[test]
    fn no_proxy_is_matched_against_the_server() {
        for (entry, server, exempted) in [
            ("*", "https://k8s.example.com", true),
            ("example.com", "https://k8s.example.com", true),
            ("example.com", "https://example.com", true),
            (".example.com", "https://example.com", false),
            ("example.com", "https://badexample.com", false),
            ("k8s.example.com:6443", "https://k8s.example.com:6443", true),
            ("k8s.example.com:1", "https://k8s.example.com:6443", false),
            ("10.0.0.0/8", "https://10.2.3.4:6443", true),
            ("10.0.0.0/8", "https://11.2.3.4:6443", false),
            ("10.2.3.4", "https://10.2.3.4:6443", true),
            ("a,,b,", "https://k8s:6443", false),
            ("proxy", "https://k8s:6443", false),
        ] {
            let proxy = chosen(server, None, &[("https_proxy", "proxy:3128"), ("no_proxy", entry)]);
            assert_eq!(proxy.is_none(), exempted, "{entry} {server}");
        }
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        let env = [("HTTPS_PROXY", "http://env:1")];
        assert_eq!(chosen("https://127.0.0.1:6443", None, &env), None);
        assert_eq!(chosen("https://localhost", None, &env), None);
        assert_eq!(chosen("https://[::1]:6443", None, &env), None);
        assert!(chosen("https://10.0.0.1", None, &env).is_some());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named() {
        let error = proxy_for(&"https://k8s".parse().unwrap(), None, |_| Some("ftp://x".into())).unwrap_err();
        assert!(error.contains("HTTPS_PROXY"), "{error}");
    }
}
