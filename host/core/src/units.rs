//! Sizes and durations as people write them: `64MiB`, `512 kB`, `2s`, `250ms`.

use std::time::Duration;

const SIZES: [(&str, u64); 11] = [
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1000),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("", 1),
];

/// The number of bytes that `text` means, such as `64MiB`, `1.5 GB` or `4096`. None when it means none.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit = unit.to_ascii_lowercase();
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    let bytes = number * *factor as f64;
    (bytes >= 0.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// The time that `text` means, such as `2s`, `250ms`, `1.5m` or `1h`. None when it means none.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// The size in the largest binary unit that keeps it short: `64 MiB`, `1.5 KiB`.
pub fn format_size(bytes: u64) -> String {
    let (unit, factor) = match bytes {
        0..0x400 => return format!("{bytes} B"),
        0x400..0x10_0000 => ("KiB", 1u64 << 10),
        0x10_0000..0x4000_0000 => ("MiB", 1 << 20),
        _ => ("GiB", 1 << 30),
    };
    let number = bytes as f64 / factor as f64;
    if bytes.is_multiple_of(factor) {
        format!("{number:.0} {unit}")
    } else {
        format!("{number:.1} {unit}")
    }
}

/// The time in the largest unit that it is a whole number of: `90 s`, `2 h`, `250 ms`.
pub fn format_duration(time: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    let ms = time.as_millis();
    let whole = (UNITS.iter()).find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{ms} ms"),
        |(unit, name)| format!("{} {name}", ms / unit),
    )
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(text.len());
    let number = text[..end].replace('_', "").parse().ok()?;
    Some((number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_unit_systems() {
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("1.5 kB"), Some(1500));
        assert_eq!(parse_size("4_096"), Some(4096));
        assert_eq!(parse_size("-1"), None);
        assert_eq!(parse_size("1 parsec"), None);
        assert_eq!(parse_size(""), None);
        assert_eq!(format_size(64 << 20), "64 MiB");
        assert_eq!(format_size(1536), "1.5 KiB");
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("2 s"), Some(Duration::from_secs(2)));
        assert_eq!(parse_duration("2"), None);
        assert_eq!(parse_duration("1e300s"), None);
        let shown = |ms| format_duration(Duration::from_millis(ms));
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(90_000), "90 s");
        assert_eq!(shown(7_200_000), "2 h");
        assert_eq!(shown(1001), "1001 ms");
    }
}
