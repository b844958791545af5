//! A shop's own MySQL or MariaDB (DS-12): its tables by themselves, and a shop that has no other connection.

mod exchange;
mod tables;

use mysql_async::prelude::{FromRow, Queryable as _};
use mysql_async::{Conn, Pool};
use std::net::SocketAddr;
use tests::unique;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const DDL: &str = include_str!("../../deploy/mysql/sync.sql");

/// A database of a server of its own, dropped with this.
pub struct ShopDatabase {
    server: String,
    name: String,
    pool: Pool,
}

impl ShopDatabase {
    /// With the tables of `deploy/mysql`. None where no server answers; that is said once a test, and a failure in CI.
    pub async fn create() -> Option<Self> {
        let database = Self::empty().await?;
        database.run(DDL).await;
        Some(database)
    }

    pub async fn empty() -> Option<Self> {
        let server = std::env::var("WHARF_TEST_MYSQL_URL")
            .unwrap_or_else(|_| "mysql://root@127.0.0.1:3306".to_owned());
        let server = server.trim_end_matches('/').to_owned();
        let name = format!("wharf_test_{}", unique());
        if let Err(error) = statement(&server, &format!("CREATE DATABASE {name}")).await {
            let line = format!(
                "NOT COVERED: no MySQL or MariaDB at {server} ({error}); set WHARF_TEST_MYSQL_URL"
            );
            assert!(std::env::var_os("CI").is_none(), "{line}");
            eprintln!("{line}");
            return None;
        }
        let pool = Pool::from_url(format!("{server}/{name}")).expect("a URL");
        Some(Self { server, name, pool })
    }

    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// The same through this address.
    pub fn url_at(&self, address: SocketAddr) -> String {
        let (before, _) = self.server.rsplit_once('@').expect("user@host");
        format!("{before}@{address}/{}", self.name)
    }

    /// `host:port` of the server.
    fn address(&self) -> &str {
        self.server.rsplit_once('@').expect("user@host").1
    }

    pub async fn conn(&self) -> Conn {
        self.pool.get_conn().await.expect("a connection")
    }

    pub async fn run(&self, sql: &str) {
        let done = self.conn().await.query_drop(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub async fn rows<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        let rows = self.conn().await.query(sql).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Drop for ShopDatabase {
    fn drop(&mut self) {
        let (server, drop) = (self.server.clone(), format!("DROP DATABASE {}", self.name));
        // On a thread of its own, for it may be dropped within a test's runtime.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| runtime.block_on(statement(&server, &drop)))
        });
        if !matches!(dropped.join(), Ok(Ok(Ok(())))) {
            eprintln!("{} stays behind", self.name);
        }
    }
}

async fn statement(server: &str, sql: &str) -> mysql_async::Result<()> {
    let mut conn = Conn::from_url(server).await?;
    conn.query_drop(sql).await?;
    conn.disconnect().await
}

/// A port before the server that can be shut, as if it were gone.
pub struct Gate {
    pub address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Gate {
    pub async fn before(database: &ShopDatabase) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (is_open, seen) = watch::channel(true);
        let server = database.address().to_owned();
        tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let (mut seen, server) = (seen.clone(), server.clone());
                tokio::spawn(async move {
                    if !*seen.borrow() {
                        return;
                    }
                    let Ok(mut outer) = TcpStream::connect(server).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = seen.wait_for(|is_open| !is_open) => {}
                    }
                });
            }
        });
        Self { address, is_open }
    }

    pub fn shut(&self) {
        self.is_open.send_replace(false);
    }

    pub fn open(&self) {
        self.is_open.send_replace(true);
    }
}
