//! Delivery of a 1 GiB file by the running product (`wharf up`, `/files/…`) against nginx with `sendfile`
//! serving the same file: throughput, and CPU seconds of the server per GiB, over 1 and 8 connections.
//!
//! The file lies in the page cache. Each connection has a thread of this process that reads the file once into
//! one buffer and looks at none of it; all share the machine's cores with the servers. Rounds alternate between
//! the servers, so that whatever else the machine does hits both.
//!
//! `cargo bench --package tests --bench delivery`

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tests::figures::{cpu_time, print_machine};
use tests::{Nginx, TestApp, files_under, media, nginx_around, standing_address};

const FILE_BYTES: u64 = 1 << 30;
const GIB: f64 = (1 << 30) as f64;
const CONNECTIONS: [usize; 2] = [1, 8];
const ROUNDS: usize = 7;
const READ_BYTES: usize = 512 * 1024;
/// What the product should reach of nginx.
const TARGET_RATIO: f64 = 0.8;

struct Server {
    name: &'static str,
    /// `host:port`.
    address: String,
    /// With its slash.
    path: String,
    pids: Vec<u32>,
}

#[derive(Default)]
struct Figures {
    /// MiB per second of each round.
    speeds: Vec<f64>,
    cpu: Duration,
    bytes: u64,
}

#[tokio::main]
async fn main() {
    let [good, resetting] = media().addresses();
    let app = TestApp::sqlite().allow(&good).allow(&resetting).start();
    let (url, file) = finished(&app).await;
    fill(&file);
    let folder = tempfile::tempdir_in(tests::target_dir()).expect("a folder");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("a folder");
    std::fs::hard_link(&file, root.join("file")).expect("another name for the file");

    let nginx = serving(&root, folder.path());
    let mut servers = vec![Server::product(&app, &url)];
    match &nginx {
        Some(nginx) => servers.push(Server::nginx(nginx)),
        None => println!("There is no nginx on this machine; its figures are missing.\n"),
    }
    print_machine();
    println!(
        "{:<8} {:>5} {:>9} {:>13}",
        "", "conns", "MiB/s", "CPU s per GiB"
    );
    for connections in CONNECTIONS {
        let mut figures: Vec<Figures> = servers.iter().map(|_| Figures::default()).collect();
        for _ in 0..ROUNDS {
            for (server, figures) in servers.iter().zip(&mut figures) {
                server.round(connections, figures);
            }
        }
        for (server, figures) in servers.iter().zip(&figures) {
            figures.print(server.name, connections);
        }
        if let [product, nginx] = figures.as_slice() {
            print_ratio(product, nginx);
        }
    }
}

/// nginx over the files of `root`, its workers as many as the machine has cores.
fn serving(root: &Path, folder: &Path) -> Option<Nginx> {
    let address = standing_address();
    let root = root.display();
    let servers =
        format!("sendfile on; tcp_nopush on; server {{ listen {address}; root {root}; }}");
    let configuration = nginx_around(folder, Some("auto"), &servers);
    Nginx::start(folder, &address, &configuration)
}

/// A temporary URL of a finished download, and its file.
async fn finished(app: &TestApp) -> (String, PathBuf) {
    let user = app.user().await;
    let (task_id, _) = user.submit(&media().shelf().url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    let url = user.file_url(&task_id).await;
    let file = files_under(&app.data().join("archive")).pop();
    (url, file.expect("a file"))
}

/// Writes blocks that differ, so that the file is a real one on the disk and in the page cache.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).expect("the file");
    let mut block = vec![7; 1 << 20];
    for number in 0..FILE_BYTES >> 20 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).expect("it is written");
    }
    file.sync_all().expect("it is on the disk");
}

impl Server {
    fn product(app: &TestApp, url: &str) -> Self {
        let address = app.base().trim_start_matches("http://").to_owned();
        Self {
            name: "wharf",
            path: url.trim_start_matches(app.base()).to_owned(),
            address,
            pids: vec![app.pid()],
        }
    }

    fn nginx(nginx: &Nginx) -> Self {
        Self {
            name: "nginx",
            path: "/file".to_owned(),
            address: nginx.address().to_owned(),
            pids: nginx.pids(),
        }
    }

    /// The whole file over each of so many connections at once.
    fn round(&self, connections: usize, figures: &mut Figures) {
        let cpu = self.cpu_time();
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| self.fetch());
            }
        });
        let elapsed = start.elapsed();
        let bytes = FILE_BYTES * connections as u64;
        let mib = bytes as f64 / f64::from(1 << 20);
        figures.speeds.push(mib / elapsed.as_secs_f64());
        figures.cpu += self.cpu_time() - cpu;
        figures.bytes += bytes;
    }

    fn fetch(&self) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.path, self.address
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut buffer = vec![0; READ_BYTES];
        let mut received = 0;
        loop {
            let count = stream.read(&mut buffer).expect("an answer");
            if received == 0 {
                assert!(buffer.starts_with(b"HTTP/1.1 200"), "{} refuses", self.name);
            }
            received += count as u64;
            if count == 0 {
                break;
            }
        }
        assert!(received > FILE_BYTES, "{} broke off", self.name);
    }

    fn cpu_time(&self) -> Duration {
        self.pids.iter().map(|pid| cpu_time(*pid)).sum()
    }
}

impl Figures {
    fn speed(&self) -> f64 {
        self.speeds.iter().sum::<f64>() / self.speeds.len() as f64
    }

    fn cpu_per_gib(&self) -> f64 {
        self.cpu.as_secs_f64() * GIB / self.bytes as f64
    }

    fn print(&self, name: &str, connections: usize) {
        let (speed, cpu) = (self.speed(), self.cpu_per_gib());
        println!("{name:<8} {connections:>5} {speed:>9.0} {cpu:>13.2}");
    }
}

fn print_ratio(product: &Figures, nginx: &Figures) {
    let rounds = product.speeds.iter().zip(&nginx.speeds);
    let mut ratios: Vec<f64> = rounds.map(|(product, nginx)| product / nginx).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "wharf / nginx: {:.2} of its throughput (rounds {:.2} to {:.2}, median {:.2}; target {TARGET_RATIO}), {:.1} times its CPU time\n",
        product.speed() / nginx.speed(),
        ratios.first().copied().unwrap_or(0.0),
        ratios.last().copied().unwrap_or(0.0),
        ratios.get(ratios.len() / 2).copied().unwrap_or(0.0),
        product.cpu_per_gib() / nginx.cpu_per_gib(),
    );
}
