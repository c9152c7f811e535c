//! A PostgreSQL server of the tests' own: data and socket in a temporary folder, stopped when the last test lets go.
//!
//! The programs are those of Debian's package `postgresql`. Started by root, the server runs as the user `postgres` or
//! `nobody`, since it refuses to run as root. `FLOWSTONE_TEST_POSTGRES=off` skips the tests that need one.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_mins(1);
const USER: &str = "flowstone";

/// A server that runs.
pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    runs_as: Option<(u32, u32)>,
    server: Option<Child>,
    databases: AtomicU32,
}

/// A database of its own on the tests' server.
pub struct PostgresDatabase {
    /// The server, which runs as long as one of its databases is held.
    pub server: Arc<Postgres>,
    name: String,
}

static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// An empty database; none where the environment says that there is no server to be had.
///
/// # Panics
///
/// When the server's programs are not there, or it does not start.
#[must_use]
pub fn postgres_database() -> Option<PostgresDatabase> {
    if std::env::var_os("FLOWSTONE_TEST_POSTGRES").is_some_and(|value| value == "off") {
        eprintln!("skipped, as FLOWSTONE_TEST_POSTGRES=off says: no test of the target `postgres`");
        return None;
    }
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let server = running
        .upgrade()
        .unwrap_or_else(|| Arc::new(Postgres::start()));
    *running = Arc::downgrade(&server);
    let number = server.databases.fetch_add(1, Ordering::Relaxed);
    let name = format!("test{number}");
    server.query(
        "postgres",
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    );
    Some(PostgresDatabase { server, name })
}

impl PostgresDatabase {
    /// What a flow names it by.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// The rows that statements give, every value as text.
    ///
    /// # Panics
    ///
    /// When the server refuses one of them.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.server.query(&self.name, sql)
    }
}

impl Postgres {
    fn start() -> Self {
        let bin = programs();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let runs_as = other_user(folder.path());
        if let Some((user, group)) = runs_as {
            chown(folder.path(), Some(user), Some(group)).expect("root gives folders away");
        }
        let mut server = Self {
            folder,
            bin,
            runs_as,
            server: None,
            databases: AtomicU32::new(0),
        };
        let mut initdb = server.command("initdb");
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        initdb
            .args(["--username", USER, "--pgdata"])
            .arg(server.data());
        let made = initdb.output().expect("initdb can be started");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        server.launch();
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        // From a folder that the other user may enter.
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.runs_as {
            command.uid(user).gid(group);
        }
        command
    }

    fn launch(&mut self) {
        let log_path = self.folder.path().join("log");
        let log = fs::File::create(&log_path).expect("the folder takes a file");
        let folder = self.folder.path().display().to_string();
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-k", &folder, "-h", "", "-F"]);
        command.args(["-c", "max_connections=50"]);
        command.stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().expect("postgres can be started");
        let start = Instant::now();
        let status = self.data().join("postmaster.pid");
        let is_ready = || fs::read_to_string(&status).is_ok_and(|text| text.contains("\nready"));
        while !is_ready() {
            let ended = child.try_wait().expect("the server can be asked");
            assert!(
                ended.is_none() && start.elapsed() < START_MAX,
                "the server does not start: {}",
                fs::read_to_string(&log_path).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(5));
        }
        self.server = Some(child);
    }

    fn url(&self, database: &str) -> String {
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{host}/{database}")
    }

    fn query(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let asked = runtime.expect("a runtime can be made").block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await?;
            let driver = tokio::spawn(connection);
            let messages = client.simple_query(sql).await?;
            drop(client);
            let _ = driver.await;
            Ok::<_, tokio_postgres::Error>(messages)
        });
        let messages = asked.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|at| row.get(at).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        });
        rows.collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(child) = &mut self.server {
            stop(child);
        }
    }
}

/// Ends the server: its sessions end with it, and its data is thrown away anyway.
fn stop(child: &mut Child) {
    // SIGQUIT is the server's own "at once"; SIGKILL would leave its other processes to find out.
    let asked = Command::new("kill")
        .args(["-QUIT", &child.id().to_string()])
        .status();
    if !asked.is_ok_and(|status| status.success()) {
        let _ = child.kill();
    }
    let _ = child.wait();
}

/// The folder with `initdb` and `postgres`.
fn programs() -> PathBuf {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    folders.sort_by_key(|bin| version(bin));
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.push("/usr/local/bin".into());
    let is_whole = |bin: &PathBuf| {
        ["initdb", "postgres"]
            .iter()
            .all(|name| bin.join(name).exists())
    };
    folders.into_iter().find(is_whole).expect(
        "the tests of the target `postgres` need PostgreSQL's `initdb` and `postgres`: install Debian's package \
         `postgresql`, or set FLOWSTONE_TEST_POSTGRES=off to skip them",
    )
}

fn version(bin: &Path) -> u32 {
    let name = bin
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// User and group that the server is to run as, where this is root.
fn other_user(folder: &Path) -> Option<(u32, u32)> {
    let owner = fs::metadata(folder).expect("the folder is there").uid();
    if owner != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users can be listed");
    let ids = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    let other = ids("postgres").or_else(|| ids("nobody"));
    Some(other.expect("root needs a user `postgres` or `nobody` to run the server as"))
}
