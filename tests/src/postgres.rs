//! PostgreSQL for tests: real servers, made by `initdb` in a temporary directory, gone when the test ends.
//!
//! A missing server fails the test. Tests that hold transactions open, kill or restore start a cluster of their own,
//! because an open writer holds back every feed of its cluster; the others share the one that `tests/run` names in
//! `MAHNWERK_TEST_POSTGRES`.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tempfile::TempDir;

/// Names the shared cluster: `postgres://USER@HOST:PORT/DATABASE`.
pub const SHARED: &str = "MAHNWERK_TEST_POSTGRES";

/// The superuser of every cluster; no password on loopback.
const USER: &str = "postgres";

/// How often another port is tried when the first was taken meanwhile.
const PORT_TRIES: u32 = 5;

/// A server. Clones share it; it stops with the last one.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    port: u16,
    /// `None` if somebody else started it.
    home: Option<TempDir>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            let _stopped_already = as_server_user("pg_ctl", home.path())
                .args(["-D", "data", "-m", "immediate", "-w", "stop"])
                .output();
        }
    }
}

/// An empty database with the C collation, dropped at the end.
pub struct Database {
    cluster: Cluster,
    name: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may be gone: then so is the database.
        let _gone = self
            .cluster
            .client("dropdb")
            .args(["--force", "--if-exists", &self.name])
            .output();
    }
}

impl Database {
    /// For settings.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Cluster {
    /// The cluster that the whole run shares, or one of its own if there is none.
    #[must_use]
    pub fn shared() -> Self {
        let Ok(url) = env::var(SHARED) else {
            return Self::start();
        };
        let port = url
            .rsplit_once(':')
            .and_then(|(_, rest)| rest.split('/').next())
            .and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("{SHARED} names no port: {url}"));
        Self(Arc::new(Inner { port, home: None }))
    }

    /// A cluster of the test's own.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// A cluster of the caller's own, whose server is given more options.
    #[must_use]
    pub fn start_with(options: &str) -> Self {
        let home = new_home();
        let mut initdb = as_server_user("initdb", home.path());
        initdb.args(["-D", "data", "-U", USER, "-A", "trust"]);
        succeed(initdb.args(["--locale=C", "-E", "UTF8"]));
        Self::serve(home, options)
    }

    fn serve(home: TempDir, options: &str) -> Self {
        let mut last = String::new();
        for _ in 0..PORT_TRIES {
            let port = free_port();
            match start_server(home.path(), port, options) {
                Ok(()) => {
                    return Self(Arc::new(Inner {
                        port,
                        home: Some(home),
                    }));
                }
                Err(error) => last = error,
            }
        }
        panic!("PostgreSQL does not start: {last}");
    }

    /// The address of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.0.port)
    }

    /// A new database with a name of its own.
    #[must_use]
    pub fn database(&self) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        self.database_called(&format!("test_{}_{number}", std::process::id()))
    }

    /// A new database called `name`.
    #[must_use]
    pub fn database_called(&self, name: &str) -> Database {
        let mut createdb = self.client("createdb");
        createdb.args(["-T", "template0", "-l", "C", "-E", "UTF8", name]);
        succeed(&mut createdb);
        Database {
            cluster: self.clone(),
            name: name.to_owned(),
        }
    }

    /// A client program that talks to this cluster as superuser.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(binaries().join(program));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.0.port.to_string())
            .env("PGUSER", USER);
        command
    }

    /// Runs SQL in `database` and returns what it prints, one row a line, columns separated by `|`.
    #[must_use]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.client("psql");
        psql.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-c",
            sql,
        ]);
        succeed(&mut psql).trim().to_owned()
    }

    /// The directory of a cluster of the test's own, in which its server may write.
    #[must_use]
    pub fn home(&self) -> &Path {
        let home = self.0.home.as_ref();
        home.expect("the shared cluster is not this test's to stop")
            .path()
    }

    /// Stops the server as an administrator would.
    pub fn stop(&self) {
        let mut command = as_server_user("pg_ctl", self.home());
        succeed(command.args(["-D", "data", "-m", "fast", "-w", "stop"]));
    }

    /// Stops the server as a power cut would.
    pub fn crash(&self) {
        let mut command = as_server_user("pg_ctl", self.home());
        succeed(command.args(["-D", "data", "-m", "immediate", "-w", "stop"]));
    }

    /// Starts a stopped server on its old port.
    pub fn start_again(&self) {
        start_server(self.home(), self.0.port, "").expect("the server starts again");
    }

    /// A dump of `database`, as a restorable file in the cluster's directory.
    #[must_use]
    pub fn dump(&self, database: &str) -> PathBuf {
        let file = self.home().join(format!("{database}.dump"));
        let mut command = self.client("pg_dump");
        succeed(command.args(["-Fc", "-f"]).arg(&file).arg(database));
        file
    }

    /// Loads a dump, of this or another cluster, into `database`, which must be empty.
    pub fn restore(&self, dump: &Path, database: &str) {
        let mut command = self.client("pg_restore");
        succeed(command.args(["--exit-on-error", "-d", database]).arg(dump));
    }

    /// Copies the files of the cluster, which is stopped for that long.
    #[must_use]
    pub fn copy_files(&self) -> FileCopy {
        self.stop();
        let copy = FileCopy(self.home().join("copy"));
        copy_directory(&self.home().join("data"), &copy.0);
        self.start_again();
        copy
    }

    /// Puts a file copy back in place of everything written since, as after the loss of a volume.
    pub fn put_back(&self, copy: &FileCopy) {
        self.stop();
        let data = self.home().join("data");
        fs::remove_dir_all(&data).expect("the data directory can be removed");
        copy_directory(&copy.0, &data);
        self.start_again();
    }

    /// A standby that follows this cluster by streaming.
    #[must_use]
    pub fn standby(&self) -> Self {
        let home = new_home();
        let mut command = as_server_user("pg_basebackup", home.path());
        let primary = format!("host=127.0.0.1 port={} user={USER}", self.0.port);
        succeed(command.args([
            "-D", "data", "-X", "stream", "-R", "-c", "fast", "-d", &primary,
        ]));
        Self::serve(home, "")
    }

    /// Makes a standby a primary, on a timeline of its own.
    pub fn promote(&self) {
        let mut command = as_server_user("pg_ctl", self.home());
        succeed(command.args(["-D", "data", "-w", "promote"]));
    }
}

/// The files of a cluster at one moment.
pub struct FileCopy(PathBuf);

/// A directory that the server's user owns.
fn new_home() -> TempDir {
    let home = tempfile::Builder::new()
        .prefix("pg")
        .tempdir()
        .expect("a temporary directory");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    if is_root() {
        chown(home.path(), Some(id("-u", USER)), Some(id("-g", USER))).expect("the user postgres");
    }
    home
}

fn start_server(home: &Path, port: u16, more: &str) -> Result<(), String> {
    let options = format!(
        "-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={} -c max_connections=200 \
         -c hot_standby=on {more}",
        home.display()
    );
    let mut command = as_server_user("pg_ctl", home);
    command.args(["-D", "data", "-l", "log", "-w", "-o", &options, "start"]);
    // The server keeps what it inherits; it must not keep the pipes of the test.
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(fs::read_to_string(home.join("log")).unwrap_or_default())
    }
}

/// A program of PostgreSQL under the user it must run as, in `home`.
fn as_server_user(program: &str, home: &Path) -> Command {
    let path = binaries().join(program);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"])
            .arg(path);
        command
    } else {
        Command::new(path)
    };
    command.current_dir(home);
    command
}

/// Where the programs of the server are: beside `initdb`.
fn binaries() -> PathBuf {
    let on_path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut packaged: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    packaged.sort();
    on_path
        .into_iter()
        .chain(packaged.into_iter().rev())
        .find_map(|directory| {
            let initdb = fs::canonicalize(directory.join("initdb")).ok()?;
            initdb.parent().map(Path::to_path_buf)
        })
        .expect("initdb was not found: install the PostgreSQL server (tests/run does)")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn is_root() -> bool {
    let own = fs::metadata("/proc/self").map(|of| std::os::unix::fs::MetadataExt::uid(&of));
    own.is_ok_and(|uid| uid == 0)
}

fn id(what: &str, user: &str) -> u32 {
    let text = succeed(Command::new("id").args([what, user]));
    text.trim().parse().expect("a number")
}

fn copy_directory(from: &Path, to: &Path) {
    succeed(Command::new("cp").arg("-a").arg(from).arg(to));
}

/// Runs a program to its end and returns what it printed.
fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
