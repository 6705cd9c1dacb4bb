//! A loopback HTTPS server that answers 200 to everything, with a certificate of its own authority.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tempfile::TempDir;

use crate::apiserver::pki;

/// At work until the process ends.
pub struct Https {
    folder: TempDir,
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Https {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        pki::Ca::create(folder.path(), "127.0.0.1");
        let path = |name: &str| folder.path().join(name);
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(path("apiserver.crt")).unwrap()],
                PrivateKeyDer::from_pem_file(path("apiserver.key")).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (config, asked) = (Arc::new(config), Arc::<Mutex<Vec<String>>>::default());
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, seen) = (config.clone(), seen.clone());
                // one that goes away in the middle is no matter of the server's
                std::thread::spawn(move || answer(stream, config, &seen).ok());
            }
        });
        Self { folder, port, asked }
    }

    /// Host and port, as a URL has them.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The authority's certificate.
    pub fn roots(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The first line of each request so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut first = String::new();
    stream.read_line(&mut first)?;
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    seen.lock().unwrap().push(first.trim_end().to_owned());
    let stream = stream.get_mut();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")?;
    stream.conn.send_close_notify();
    stream.flush()
}
