//! A plugin that tries to reach everything outside, by the ordinary means of its language: what it is not granted it must
//! not get.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use wasip2::http::types::Method;

mod web;

/// What wit-bindgen makes of the world.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::pedantic
)]
mod world {
    wit_bindgen::generate!({ world: "prober", path: "wit" });
    #[cfg(target_family = "wasm")]
    export!(Plugin with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Plugin;
}

#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "exported only from a component")
)]
struct Plugin;

impl world::Guest for Plugin {
    fn probe(line: String) -> String {
        probe(&line).unwrap_or_else(|error| format!("error: {:?}: {error}", error.kind()))
    }

    fn lines(content: String) -> Vec<String> {
        let lines = content.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }
}

/// What the line says.
///
/// # Errors
///
/// What it came to, where that is an error.
pub fn probe(line: &str) -> io::Result<String> {
    let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
    let done = |()| "done".to_owned();
    match what {
        "read" => fs::read_to_string(rest),
        "tail" => tail(rest),
        "count" => count(rest),
        "list" => list(rest),
        "stat" => stat(rest),
        "link" => fs::read_link(rest).map(|to| to.display().to_string()),
        "write" => fs::write(rest, "mine").map(done),
        "append" => {
            let mut file = OpenOptions::new().append(true).open(rest)?;
            file.write_all(b"mine").map(done)
        }
        "update" => {
            let mut file = OpenOptions::new().read(true).write(true).open(rest)?;
            file.write_all(b"mine").map(done)
        }
        "truncate" => File::open(rest)?.set_len(0).map(done),
        "create" => File::create_new(rest).map(|_| "done".to_owned()),
        "mkdir" => fs::create_dir(rest).map(done),
        "rmdir" => fs::remove_dir(rest).map(done),
        "remove" => fs::remove_file(rest).map(done),
        "rename" => fs::rename(rest, format!("{rest}-2")).map(done),
        "hardlink" => fs::hard_link(rest, format!("{rest}-2")).map(done),
        "times" => File::open(rest)?.set_modified(SystemTime::now()).map(done),
        "env" => Ok(variables(rest)),
        "args" => Ok(format!("{:?}", std::env::args().collect::<Vec<_>>())),
        "folder" => std::env::current_dir().map(|folder| folder.display().to_string()),
        "time" => Ok(format!("{:?}", SystemTime::now())),
        "wait" => {
            let begun = Instant::now();
            std::thread::sleep(Duration::from_hours(1));
            Ok(format!("{:?}", begun.elapsed()))
        }
        "random" => Ok(format!("{:x}", random())),
        "tcp" => tcp(rest),
        "listen" => TcpListener::bind(rest).map(|_| "done".to_owned()),
        "udp" => udp(rest),
        "lookup" => rest
            .to_socket_addrs()
            .map(|found| format!("{:?}", found.collect::<Vec<_>>())),
        "get" => web::fetch(&Method::Get, rest, ""),
        "post" => {
            let (times, url) = rest.split_once(' ').unwrap_or(("1", rest));
            let times = times.parse().map_err(io::Error::other)?;
            web::fetch(&Method::Post, url, &"0123456789".repeat(times))
        }
        "size" => web::size(rest),
        "patient" => web::patient(rest),
        "flood" => web::flood(rest),
        "long" => Ok(web::long()),
        "header" => web::header(rest),
        _ => Ok(format!("there is no `{what}`")),
    }
}

/// The last four bytes.
fn tail(path: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-4))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// How many bytes there are to read, asked for bit by bit.
fn count(path: &str) -> io::Result<String> {
    let (mut file, mut sum, mut part) = (File::open(path)?, 0, [0; 4096]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum.to_string()),
            read => sum += read,
        }
    }
}

/// The names in a folder, in the order in which they come.
fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let sign = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{sign}", entry.file_name().to_string_lossy()));
    }
    Ok(names.join(" "))
}

/// Everything that can be known of a file without opening it.
fn stat(path: &str) -> io::Result<String> {
    let known = fs::metadata(Path::new(path))?;
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    Ok(format!(
        "{} bytes, folder {}, modified {:?}, accessed {:?}, created {:?}",
        known.len(),
        known.is_dir(),
        known.modified().ok().and_then(since),
        known.accessed().ok().and_then(since),
        known.created().ok().and_then(since),
    ))
}

fn variables(name: &str) -> String {
    if name.is_empty() {
        let all: Vec<String> = std::env::vars()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        return all.join(" ");
    }
    std::env::var(name).unwrap_or_else(|error| format!("error: {error}"))
}

/// A number that the seeds of hash maps come of.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

fn tcp(address: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"hello\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn udp(address: &str) -> io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"hello", address)?;
    Ok("done".to_owned())
}
