//! What Flux follows: a Git repository behind `git http-backend`, and a chart repository of files.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use tempfile::TempDir;

/// Served for as long as the process lives; its files go with the value.
pub struct Sources {
    root: TempDir,
    address: String,
}

impl Sources {
    /// An empty repository `app.git`, and no charts.
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("sources-").tempdir().unwrap();
        for folder in ["git", "work", "charts"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sources = Self { address: listener.local_addr().unwrap().to_string(), root };
        sources.git(&["init", "--quiet", "--initial-branch=main", "."]);
        sources.git(&["init", "--quiet", "--bare", "--initial-branch=main", "../git/app.git"]);
        let folder = sources.root.path().to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let folder = folder.clone();
                thread::spawn(move || drop(answer(&stream, &folder)));
            }
        });
        sources
    }

    /// Where the repository is found.
    pub fn repository(&self) -> String {
        format!("http://{}/git/app.git", self.address)
    }

    /// Where the charts are found.
    pub fn charts(&self) -> String {
        format!("http://{}/charts/", self.address)
    }

    /// Pushes files, given by path and text, and gives the commit.
    pub fn push(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.root.path().join("work").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "."]);
        self.git(&["-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=more"]);
        self.git(&["push", "--quiet", "../git/app.git", "main"]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Offers charts of version 0.1.0, each with one template.
    pub fn offer(&self, charts: &[(&str, &str)]) {
        let mut index = "apiVersion: v1\nentries:\n".to_owned();
        for (name, template) in charts {
            let folder = self.root.path().join("charts").join(name);
            fs::create_dir_all(folder.join("templates")).unwrap();
            fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n")).unwrap();
            fs::write(folder.join("templates/all.yaml"), template).unwrap();
            let file = format!("{name}-0.1.0.tgz");
            run(&self.root.path().join("charts"), "tar", &["-czf", &file, name]);
            index += &format!("  {name}:\n  - {{apiVersion: v2, name: {name}, version: 0.1.0, urls: [{file}]}}\n");
        }
        fs::write(self.root.path().join("charts/index.yaml"), index).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        run(&self.root.path().join("work"), "git", args)
    }
}

fn run(folder: &Path, program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).current_dir(folder).output().unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Answers one request and hangs up.
fn answer(stream: &TcpStream, root: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or("/").to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let header = |name: &str| headers.iter().find(|h| h.0 == name).map(|h| h.1.clone()).unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (head, body) = match path.strip_prefix("/git") {
        Some(inside) => {
            let mut git = Command::new("git");
            git.arg("http-backend")
                .env("GIT_PROJECT_ROOT", root.join("git"))
                .env("GIT_HTTP_EXPORT_ALL", "1")
                .env("PATH_INFO", inside)
                .env("QUERY_STRING", query)
                .env("REQUEST_METHOD", &method)
                .env("CONTENT_TYPE", header("content-type"))
                .env("CONTENT_LENGTH", body.len().to_string())
                .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
                .env("GIT_PROTOCOL", header("git-protocol"));
            backend(git, &body)?
        }
        None => file(root, path),
    };
    let mut stream = stream;
    stream
        .write_all(format!("HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).as_bytes())?;
    stream.write_all(&body)
}

/// What `git http-backend` answers: status and headers, and the body.
fn backend(mut git: Command, body: &[u8]) -> std::io::Result<(String, Vec<u8>)> {
    let mut child = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().expect("it is piped").write_all(body)?;
    let out = child.wait_with_output()?.stdout;
    let end = out.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(out.len(), |at| at + 4);
    let said = String::from_utf8_lossy(&out[..end]).into_owned();
    let status = said.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let rest = said.lines().filter(|line| !line.is_empty() && !line.starts_with("Status: "));
    let head = rest.fold(format!("{status}\r\n"), |head, line| head + line + "\r\n");
    Ok((head, out[end..].to_vec()))
}

fn file(root: &Path, path: &str) -> (String, Vec<u8>) {
    let path: PathBuf = path.split('/').filter(|part| !part.is_empty() && *part != "..").collect();
    match fs::read(root.join(path)) {
        Ok(body) => ("200 OK\r\n".into(), body),
        Err(_) => ("404 Not Found\r\n".into(), Vec::new()),
    }
}
