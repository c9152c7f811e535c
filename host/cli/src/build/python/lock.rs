//! The lock file of a Python plugin: exact versions with the hashes of their files, and nothing else.
//!
//! pip takes options in such a file that have it run code, or fetch from elsewhere. It is therefore never handed the
//! author's file, but one that is written of what was understood of it.

use std::fmt::Write as _;

/// The lock file's text as pip is given it: a line for each package, without comments.
///
/// # Errors
///
/// When a line says anything but a package, its version and the hashes of its files.
pub(super) fn exact(text: &str) -> Result<String, String> {
    let (mut exact, mut open) = (String::new(), None);
    for (number, line) in (1..).zip(text.lines()) {
        let line = without_comment(line).trim();
        let (line, goes_on) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let (begun, mut said) = open.take().unwrap_or_else(|| (number, String::new()));
        let _ = write!(said, " {line}");
        if goes_on {
            open = Some((begun, said));
        } else {
            add(&mut exact, begun, &said)?;
        }
    }
    if let Some((begun, said)) = open {
        add(&mut exact, begun, &said)?;
    }
    Ok(exact)
}

/// A comment begins a line, or follows a space.
fn without_comment(line: &str) -> &str {
    let is_comment = |at: usize| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    line.match_indices('#')
        .find(|(at, _)| is_comment(*at))
        .map_or(line, |(at, _)| &line[..at])
}

fn add(exact: &mut String, number: usize, said: &str) -> Result<(), String> {
    let mut words = said.split_whitespace();
    let Some(package) = words.next() else {
        return Ok(());
    };
    let hashes: Vec<_> = words.collect();
    if !is_package(package) || hashes.is_empty() || !hashes.iter().all(|word| is_hash(word)) {
        return Err(format!(
            "line {number}, `{}`, is no `NAME==VERSION --hash=sha256:...`",
            said.trim()
        ));
    }
    let _ = writeln!(exact, "{package} {}", hashes.join(" "));
    Ok(())
}

fn is_package(word: &str) -> bool {
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let consists = |text: &str, of: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || of.contains(c))
    };
    word.split_once("==").is_some_and(|(name, version)| {
        begins(name) && consists(name, "-_.") && begins(version) && consists(version, "-_.+!")
    })
}

fn is_hash(word: &str) -> bool {
    word.strip_prefix("--hash=sha256:")
        .is_some_and(|hash| hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: &str) -> String {
        format!("--hash=sha256:{}", digit.repeat(64))
    }

    #[test]
    fn packages_are_read_as_pip_writes_them() {
        let (a, b) = (hash("a"), hash("b"));
        let text = format!(
            "# for a # and b\n\nb-c.d==1!2.0+x {a}\r\na==1.2 \\\n    {a} \\\n    {b}  # via b\n    # via c\n"
        );
        assert_eq!(
            exact(&text),
            Ok(format!("b-c.d==1!2.0+x {a}\na==1.2 {a} {b}\n"))
        );
        assert_eq!(exact("# nothing\n"), Ok(String::new()));
        assert_eq!(exact(&format!("a==1 {a} \\")), Ok(format!("a==1 {a}\n")));
    }

    #[test]
    fn what_pip_would_take_besides_is_refused() {
        let a = hash("a");
        for line in [
            "--no-binary=:all:".to_owned(),
            "--no-binary :all:".to_owned(),
            "--find-links=.".to_owned(),
            "-f .".to_owned(),
            "--index-url https://example.org".to_owned(),
            "-i https://example.org".to_owned(),
            "-r other.txt".to_owned(),
            "-e .".to_owned(),
            "./a.whl".to_owned(),
            format!("./a==1 {a}"),
            format!("a @ file:///home/a.whl {a}"),
            format!("a==1 {a} --global-option=x"),
            format!("a==1 {a} --config-settings=x"),
            format!("a==1 ; python_version>'3' {a}"),
            format!("a>=1 {a}"),
            format!("a==1.* {a}"),
            format!("a==$HOME {a}"),
            "a==1".to_owned(),
            "a==1 --hash=sha256:ab".to_owned(),
            "a==1 --hash=md5:ab".to_owned(),
            format!("a==1 {}", hash("g")),
            format!("a==1 {a}#-r"),
            format!("a==1 {a} \\\n--no-binary=:all:"),
        ] {
            let error = exact(&format!("# first\n{line}\n")).expect_err(&line);
            assert!(error.starts_with("line 2, `"), "{error}");
        }
    }
}
