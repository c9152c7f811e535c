//! The flags for the compiler that a plugin may have: those that say how to translate, and none that do more.

/// Flags that are taken as they are.
const FLAGS: [&str; 19] = [
    "-O0",
    "-O1",
    "-O2",
    "-O3",
    "-Os",
    "-Oz",
    "-pedantic",
    "-pedantic-errors",
    "-ansi",
    "-w",
    "-ffast-math",
    "-fno-builtin",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fsigned-char",
    "-funsigned-char",
    "-fshort-enums",
    "-msimd128",
    "-mtail-call",
];

/// Whether a flag only says how to translate: others run programs (`-fplugin`), read files (`@file`, `-include`) or
/// write them (`-o`).
pub(super) fn allowed(flag: &str) -> Result<(), String> {
    let define = ["-D", "-U"]
        .iter()
        .find_map(|start| flag.strip_prefix(start));
    let ok = FLAGS.contains(&flag)
        || flag.strip_prefix("-std=").is_some_and(is_word)
        || flag.strip_prefix("-W").is_some_and(is_warning)
        || define
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    if ok {
        return Ok(());
    }
    Err(format!(
        "the flag `{flag}` is not one of those that a plugin may have: -D..., -U..., -std=..., -W..., {}",
        FLAGS.join(", ")
    ))
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-+_".contains(c))
}

/// `-Wl,`, `-Wa,` and `-Wp,` hand on flags to other programs.
fn is_warning(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "-=+_".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_do_more_than_translate_are_refused() {
        for flag in [
            "-O2",
            "-std=c17",
            "-std=gnu++20",
            "-Wall",
            "-Wno-unused",
            "-Werror=format",
            "-DNAME",
            "-DNAME=\"a b\"",
            "-UNAME",
            "-msimd128",
            "-w",
        ] {
            assert_eq!(allowed(flag), Ok(()), "{flag}");
        }
        for flag in [
            "-fplugin=evil.so",
            "-Wl,--import-memory",
            "-Wa,x",
            "-Wp,-MD,x",
            "-o",
            "@file",
            "-include",
            "-I/etc",
            "-std=",
            "-D",
            "-D@x",
            "-x",
            "-B.",
            "--sysroot=/",
            "-Xclang",
            "-load",
            "evil.c",
            "-wrapper",
            "",
            "-fuse-ld=x",
        ] {
            assert!(allowed(flag).is_err(), "{flag}");
        }
    }
}
