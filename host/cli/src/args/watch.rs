//! The arguments of `flowstone watch`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use flowstone::core::parse_duration;

use super::FlowArgs;

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) flow: FlowArgs,
    /// Go on where more than half of a source's rows are gone
    #[arg(long)]
    pub(crate) allow_deletes: bool,
    /// Compare what the targets hold with what was written, at every full listing, and repair it
    #[arg(long)]
    pub(crate) verify_targets: bool,
    /// How far apart full listings of all sources are
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(crate) rescan: Duration,
    /// How long nothing more must change before work begins
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = time)]
    pub(crate) debounce: Duration,
    /// How often sources are asked that cannot tell of changes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) poll: Duration,
    /// Serve /metrics and /healthz at this port, on this machine only unless an address says otherwise
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) metrics: Option<SocketAddr>,
    /// Leave what nobody needs any more in the store
    #[arg(long)]
    pub(crate) no_gc: bool,
}

/// The shortest time that makes sense anywhere here.
const TIME_MIN: Duration = Duration::from_millis(1);

/// The longest: clocks do not reach as far as a duration may.
const TIME_MAX: Duration = Duration::from_hours(30 * 24);

fn time(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Some(time) if time > TIME_MAX => Err("30 days are the most".to_owned()),
        Some(time) if time >= TIME_MIN => Ok(time),
        Some(_) => Err("at least 1ms is needed".to_owned()),
        None => Err("it is a time such as 500ms, 30s or 5m".to_owned()),
    }
}

/// A port, or an address with a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse()
        .map_err(|_| "it is a port such as 9464, or an address such as 127.0.0.1:9464".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        assert!(address("9464").is_ok_and(|address| address.ip().is_loopback()));
        assert!(address("[::1]:1").is_ok_and(|address| address.port() == 1));
        assert!(address("0.0.0.0:9464").is_ok_and(|address| !address.ip().is_loopback()));
        for bad in ["", "http", "70000", ":9464", "localhost:x"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_time_at_all_is_no_time() {
        assert_eq!(time("20ms"), Ok(Duration::from_millis(20)));
        assert!(time("0s").is_err() && time("soon").is_err());
        assert_eq!(time("720h"), Ok(TIME_MAX));
        assert!(time("721h").is_err() && time("99999999999h").is_err());
    }
}
