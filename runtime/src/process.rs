//! The only file that spawns processes.
//!
//! A process group is led by a guard: a shell that waits for its input to close and then kills the whole
//! group. We hold the other end of that pipe, so however we end, even by `kill -9`, the kernel closes it
//! and yt-dlp and its ffmpeg end with us. The guard also keeps the group's number from being reused.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use shared::limits::{PROCESS_STDERR_BYTES_MAX, PROCESS_TERM_MS_MAX};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

/// SIGTERM reaches the guard with the rest of the group; it stays until the end.
const GUARD: &str = "trap '' TERM HUP INT; read _; kill -9 -$$";

/// What to run.
pub struct Job<'a> {
    /// The program and its arguments.
    pub argv: &'a [OsString],
    /// Its working directory and its `HOME`.
    pub folder: &'a Path,
    /// Added to (and overriding) `PATH`, `HOME` and the locale; nothing else of ours is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// Its standard input.
    pub input: Vec<u8>,
}

/// A running process group. Dropping it kills the group.
pub struct Process {
    child: Child,
    guard: Child,
    /// None once the group is gone and its number free.
    group: Option<Pid>,
    pub stdout: Output<ChildStdout>,
    pub stderr: Output<ChildStderr>,
}

impl Process {
    /// Starts the job in a process group of its own.
    pub fn spawn(job: Job<'_>) -> io::Result<Self> {
        let (program, arguments) = job
            .argv
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program"))?;
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let number = guard
            .id()
            .ok_or_else(|| io::Error::other("the guard is gone"))?;
        let group = i32::try_from(number).map_err(io::Error::other)?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            )
            .env("HOME", job.folder)
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
            .envs(job.environment)
            .current_dir(job.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(group)
            .kill_on_drop(true)
            .spawn()?;
        let closed = || io::Error::other("a pipe of the process is missing");
        if let Some(mut stdin) = child.stdin.take() {
            // A process that does not read its input ends with an error of its own.
            tokio::spawn(async move {
                let _ = stdin.write_all(&job.input).await;
                let _ = stdin.shutdown().await;
            });
        }
        let stdout = Output::new(child.stdout.take().ok_or_else(closed)?);
        let stderr = Output::new(child.stderr.take().ok_or_else(closed)?);
        Ok(Self {
            child,
            guard,
            group: Some(Pid::from_raw(group)),
            stdout,
            stderr,
        })
    }

    /// Waits for the process, then ends whatever it left behind in its group.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.signal(Signal::SIGKILL);
        self.guard.wait().await?;
        self.group = None;
        Ok(status)
    }

    /// SIGTERM to the whole group, SIGKILL after [`PROCESS_TERM_MS_MAX`]; returns when it is gone.
    pub async fn kill_group(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM);
        let patience = Duration::from_millis(PROCESS_TERM_MS_MAX);
        if timeout(patience, self.child.wait()).await.is_err() {
            self.signal(Signal::SIGKILL);
        }
        self.wait().await.map(drop)
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The guard is not reaped yet, so this number is ours; a group that is gone already is fine.
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// What a process prints, read with a bound. Both readers may be cancelled without losing anything.
pub struct Output<R> {
    reader: BufReader<R>,
    partial: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Output<R> {
    fn new(reader: R) -> Self {
        Self {
            reader: BufReader::new(reader),
            partial: Vec::new(),
        }
    }

    /// The next line without its end, cut to `bytes_max`; None at the end.
    pub async fn line(&mut self, bytes_max: usize) -> io::Result<Option<String>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                let rest = std::mem::take(&mut self.partial);
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned()));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            let room = bytes_max.saturating_sub(self.partial.len());
            self.partial
                .extend_from_slice(&piece[..piece.len().min(room)]);
            let used = piece.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.partial);
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
        }
    }

    /// Everything until the end; None when it is more than `bytes_max`.
    pub async fn all(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut read = Vec::new();
        let limit = bytes_max as u64 + 1;
        (&mut self.reader)
            .take(limit)
            .read_to_end(&mut read)
            .await?;
        Ok((read.len() <= bytes_max).then_some(read))
    }
}

/// What a short job left.
pub struct Captured {
    pub status: ExitStatus,
    /// None when it printed more than was allowed; the job was then killed.
    pub stdout: Option<Vec<u8>>,
    /// The last [`PROCESS_STDERR_BYTES_MAX`] at the most.
    pub stderr: String,
}

/// Runs a job to its end and keeps what it prints, `stdout_bytes_max` at the most.
pub async fn capture(job: Job<'_>, stdout_bytes_max: usize) -> io::Result<Captured> {
    let mut process = Process::spawn(job)?;
    let Process { stdout, stderr, .. } = &mut process;
    let diagnostics = async {
        let mut tail = String::new();
        while let Some(line) = stderr.line(PROCESS_STDERR_BYTES_MAX).await? {
            push_bounded(&mut tail, &line, PROCESS_STDERR_BYTES_MAX);
        }
        io::Result::Ok(tail)
    };
    let result = async {
        let result = stdout.all(stdout_bytes_max).await?;
        // A process that prints without end never closes its stderr either.
        if result.is_none() {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            io::Result::Ok(result)
        }
    };
    match tokio::try_join!(result, diagnostics) {
        Ok((stdout, stderr)) => Ok(Captured {
            status: process.wait().await?,
            stdout,
            stderr,
        }),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            process.signal(Signal::SIGKILL);
            Ok(Captured {
                status: process.wait().await?,
                stdout: None,
                stderr: String::new(),
            })
        }
        Err(error) => Err(error),
    }
}

/// Appends a line and drops the oldest ones beyond `bytes_max`.
pub fn push_bounded(text: &mut String, line: &str, bytes_max: usize) {
    text.push_str(line);
    text.push('\n');
    if text.len() > bytes_max {
        let mut cut = text.len() - bytes_max;
        while !text.is_char_boundary(cut) {
            cut += 1;
        }
        text.drain(..cut);
    }
}

/// What cargo tells a program that it runs. A cargo below it must not hear of it: build scripts that look
/// at these would run again, here and at the next build from the shell.
const FROM_CARGO: [&str; 4] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
];

/// Runs a command with our own environment and terminal, for set-up and builds.
pub async fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: &[A],
    cwd: &Path,
) -> io::Result<ExitStatus> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if FROM_CARGO.iter().any(|prefix| shown.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
        .args(args)
        .current_dir(cwd)
        .kill_on_drop(true)
        .status()
        .await
}

/// Runs a command with our own environment and returns what it printed.
pub async fn output<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: &[A],
    cwd: &Path,
) -> io::Result<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(cwd)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Vec<OsString> {
        ["/bin/sh", "-c", script].map(OsString::from).to_vec()
    }

    fn job<'a>(argv: &'a [OsString], folder: &'a Path) -> Job<'a> {
        Job {
            argv,
            folder,
            environment: Vec::new(),
            input: b"hello\n".to_vec(),
        }
    }

    async fn vanishes(pid: i32) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_job_gets_its_input_and_nothing_of_our_environment() {
        let argv = shell("read line; echo \"$line\"; env | sort; echo oops >&2; exit 3");
        let folder = tempfile::tempdir().unwrap();
        let captured = capture(job(&argv, folder.path()), 4096).await.unwrap();
        let printed = String::from_utf8(captured.stdout.unwrap()).unwrap();
        assert!(printed.starts_with("hello\n") && printed.contains("HOME="));
        assert!(!printed.contains("CARGO"), "{printed}");
        assert_eq!(
            (captured.status.code(), captured.stderr.as_str()),
            (Some(3), "oops\n")
        );
    }

    #[tokio::test]
    async fn a_job_that_prints_without_end_is_stopped() {
        let argv = shell("while :; do echo y; done");
        let folder = tempfile::tempdir().unwrap();
        let captured = capture(job(&argv, folder.path()), 4096).await.unwrap();
        assert!(captured.stdout.is_none());
    }

    #[tokio::test]
    async fn killing_or_dropping_ends_the_whole_group_even_what_ignores_sigterm() {
        for drop_it in [false, true] {
            let argv =
                shell("trap '' TERM; sleep 600 & echo $!; echo $$; while :; do sleep 1; done");
            let folder = tempfile::tempdir().unwrap();
            let mut process = Process::spawn(job(&argv, folder.path())).unwrap();
            let mut pids = Vec::new();
            for _ in 0..2 {
                let line = process.stdout.line(100).await.unwrap().unwrap();
                pids.push(line.parse::<i32>().unwrap());
            }
            if drop_it {
                drop(process)
            } else {
                process.kill_group().await.unwrap()
            }
            for pid in pids {
                assert!(vanishes(pid).await, "{pid} lives");
            }
        }
    }

    #[tokio::test]
    async fn a_group_ends_when_our_end_of_the_pipe_closes() {
        let argv = shell("sleep 600 & echo $!; wait");
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::spawn(job(&argv, folder.path())).unwrap();
        let pid: i32 = process
            .stdout
            .line(100)
            .await
            .unwrap()
            .unwrap()
            .parse()
            .unwrap();
        // As the kernel does when we are killed.
        drop(process.guard.stdin.take());
        assert!(vanishes(pid).await);
    }

    /// Not a test: [`nothing_outlives_a_worker_that_is_killed`] runs it as a process to kill.
    #[tokio::test]
    #[ignore = "started by another test"]
    async fn stand_in_for_a_worker() {
        let argv = shell("sleep 600 & echo $!; echo $$; wait");
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::spawn(job(&argv, folder.path())).unwrap();
        for _ in 0..2 {
            println!("pid {}", process.stdout.line(100).await.unwrap().unwrap());
        }
        process.wait().await.unwrap();
    }

    #[tokio::test]
    async fn nothing_outlives_a_worker_that_is_killed() {
        let name = "process::tests::stand_in_for_a_worker";
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", name])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut printed = Output::new(worker.stdout.take().unwrap());
        let mut pids = Vec::new();
        while pids.len() < 2 {
            let line = printed.line(1000).await.unwrap().unwrap();
            pids.extend(
                line.rsplit_once("pid ")
                    .and_then(|(_, pid)| pid.parse::<i32>().ok()),
            );
        }
        worker.kill().await.unwrap();
        for pid in pids {
            assert!(vanishes(pid).await, "{pid} lives");
        }
    }

    #[tokio::test]
    async fn long_lines_are_cut_and_the_next_one_is_whole() {
        let argv = shell("printf 'aaaaaaaaaaaaaaaaaaaa\\nbb\\ncc'");
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::spawn(job(&argv, folder.path())).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = process.stdout.line(5).await.unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["aaaaa", "bb", "cc"]);
    }
}
