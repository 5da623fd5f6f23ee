//! Services as processes of their own, to be killed and started again.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::suite::{Service, overrides};

/// Longest wait for a program to start, to stop, or to say something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Environment variable: a directory with programs of an earlier version, to be run on the schema of this one.
const EARLIER_PROGRAMS: &str = "MAHNWERK_TEST_EARLIER_PROGRAMS";

/// How to start a service.
#[derive(Clone)]
pub struct Program {
    name: &'static str,
    database: String,
    more: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

/// A service that runs as a process. Killed when dropped.
pub struct Process {
    /// Where its API listens, `http://…`.
    pub url: String,
    /// Where it says how it is.
    pub ops: SocketAddr,
    child: Child,
    log: Log,
}

/// What a process has written to its log so far.
#[derive(Clone)]
pub struct Log {
    lines: Arc<Mutex<Vec<Value>>>,
    count: watch::Receiver<usize>,
}

impl Program {
    /// A service on a database.
    #[must_use]
    pub fn new(service: Service, database: &str) -> Self {
        Self {
            name: service.name(),
            database: database.to_owned(),
            more: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// With one more setting.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.more.push((key.to_owned(), value.to_owned()));
        self
    }

    /// That finds a service at this address.
    #[must_use]
    pub fn knowing(self, service: Service, url: &str) -> Self {
        self.set(&service.url_setting(), url)
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Runs its `migrate`. Answers the steps that it says to have applied.
    ///
    /// # Panics
    /// If it fails.
    pub async fn migrate(&self) -> Vec<String> {
        let mut command = self.command("migrate", 0);
        let output = command.output().await.expect("the program runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
        let said = String::from_utf8_lossy(&output.stdout);
        let applied = said
            .lines()
            .filter_map(|line| line.strip_prefix("applied "));
        applied.map(ToOwned::to_owned).collect()
    }

    /// Runs its `serve`, which must end by itself in failure. Answers what it wrote to its log.
    ///
    /// # Panics
    /// If it goes on, or ends well.
    pub async fn fails_to_start(&self) -> String {
        let mut command = self.command("serve", 0);
        let output = timeout(PATIENCE, command.output()).await;
        let output = output.expect("it ends").expect("the program runs");
        assert!(!output.status.success(), "{command:?} ended well");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts it on a free port and waits until it listens.
    pub async fn start(&self) -> Process {
        self.start_on(0).await
    }

    /// Starts it on the port of an earlier run.
    pub async fn start_again(&self, earlier: &str) -> Process {
        let port = earlier
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        self.start_on(port.expect("an address with a port")).await
    }

    /// The program with one of its commands.
    fn command(&self, name: &str, port: u16) -> Command {
        self.command_of(binary(&format!("mahnwerk-{}", self.name)), name, port)
    }

    fn command_of(&self, binary: PathBuf, name: &str, port: u16) -> Command {
        let mut command = Command::new(binary);
        command.arg(name);
        let more: Vec<_> = self
            .more
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        for (key, value) in overrides(&self.database, port, &more) {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn start_on(&self, port: u16) -> Process {
        let mut command = match std::env::var_os(EARLIER_PROGRAMS) {
            // As in an upgrade: the new version migrates, and the one before still runs.
            Some(earlier) => {
                self.migrate().await;
                let earlier = PathBuf::from(earlier).join(format!("mahnwerk-{}", self.name));
                self.command_of(earlier, "serve", port)
            }
            None => self.command("serve", port),
        };
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run builds the programs"));
        let log = Log::follow(&mut child);
        let line = log
            .wait_for("listening", |line| line["message"] == "listening")
            .await;
        let address = |name: &str| line[name].as_str().expect("the address in the log");
        Process {
            url: format!("http://{}", address("api")),
            ops: address("ops").parse().expect("an address"),
            child,
            log,
        }
    }
}

impl Process {
    /// Its number in the system.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("it is running")
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// SIGKILL, and waits for the end.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a process to kill");
    }

    /// SIGTERM: asks it to stop.
    pub async fn terminate(&self) {
        let pid = self.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(status.expect("kill").success());
    }

    /// Waits for its own end, which must be a success.
    pub async fn stopped(mut self) {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("it stops in time").expect("its exit code");
        assert!(status.success(), "exit {status}: {:?}", self.log.last(20));
    }
}

impl Log {
    /// Of a program whose standard error is piped.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn follow(child: &mut Child) -> Self {
        let stderr = child.stderr.take().expect("a piped standard error");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let kept = lines.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let mut kept = kept.lock().unwrap();
                kept.push(value);
                sender.send_replace(kept.len());
            }
        });
        Self { lines, count }
    }

    /// All lines so far: JSON objects, or the text of what is none.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    fn last(&self, count: usize) -> Vec<Value> {
        let lines = self.lines();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    /// Waits for a line. Fails with the end of the log when it does not come, or the process ends.
    pub async fn wait_for(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let mut count = self.count.clone();
        let mut seen = 0;
        let search = async {
            loop {
                let lines = {
                    count.borrow_and_update();
                    self.lines()
                };
                if let Some(line) = lines[seen..].iter().find(|line| matches(line)) {
                    return Some(line.clone());
                }
                seen = lines.len();
                if count.changed().await.is_err() {
                    return None;
                }
            }
        };
        match timeout(PATIENCE, search).await {
            Ok(Some(line)) => line,
            _ => panic!("the log never says {what}: {:#?}", self.last(20)),
        }
    }

    /// Waits until the process has closed its log.
    pub async fn ended(&self) {
        let mut count = self.count.clone();
        let closed = async { while count.changed().await.is_ok() {} };
        timeout(PATIENCE, closed).await.expect("the log ends");
    }
}

/// A program of the workspace: beside the directory of the running test.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test's own path");
    let path = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    path.unwrap_or_else(|| panic!("{name} has not been built: run `cargo build -p {name}` first"))
}
