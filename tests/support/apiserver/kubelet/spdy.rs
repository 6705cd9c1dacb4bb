//! As much of SPDY/3 as a kubelet needs to run one command: the streams that the API server opens, one after the other
//! (errors, stdin, stdout, stderr), and what is written into them.

use std::io::{Error, Read as _, Result, Write as _};

use serde_json::{Value, json};

use super::{Ends, Stream};

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RESET: u16 = 3;
const PING: u16 = 6;
const GO_AWAY: u16 = 7;
const FIN: u8 = 1;

/// A frame as it was read.
enum Frame {
    Control(u16, Vec<u8>),
    Data { stream: u32, last: bool, bytes: Vec<u8> },
}

/// Accepts the upgrade, takes all of stdin, runs the command and says how it ended. An error where the other side went
/// away before that.
pub fn serve(stream: &mut Stream, has_stdin: bool, run: impl FnOnce(Option<String>) -> Ends) -> Result<()> {
    let accepted = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\
        x-stream-protocol-version: v4.channel.k8s.io\r\n\r\n";
    send(stream, accepted.as_bytes())?;
    let (mut opened, mut stdin, mut whole) = (Vec::new(), Vec::new(), !has_stdin);
    let wanted = if has_stdin { 4 } else { 3 };
    while opened.len() < wanted || !whole {
        match read(stream)? {
            Frame::Control(SYN_STREAM, body) => {
                opened.push(u32::from_be_bytes([body[0], body[1], body[2], body[3]]));
                let reply = [&body[..4], &no_headers(opened.len() == 1)[..]].concat();
                control(stream, SYN_REPLY, &reply)?;
            }
            Frame::Data { stream, last, bytes } if has_stdin && opened.get(1) == Some(&stream) => {
                stdin.extend(bytes);
                whole |= last;
            }
            frame => expected(stream, frame)?,
        }
    }
    let ends = run(has_stdin.then(|| String::from_utf8_lossy(&stdin).into_owned()));
    let [errors, .., stdout, stderr] = opened[..] else { return Err(Error::other("streams are missing")) };
    data(stream, stdout, ends.stdout.as_bytes(), ends.never)?;
    data(stream, stderr, ends.stderr.as_bytes(), ends.never)?;
    if ends.never {
        loop {
            let frame = read(stream)?;
            expected(stream, frame)?;
        }
    }
    if has_stdin {
        data(stream, opened[1], b"", false)?;
    }
    data(stream, errors, status(ends.status).to_string().as_bytes(), false)?;
    // what comes now is its good-bye
    while let Ok(frame) = read(stream) {
        if expected(stream, frame).is_err() {
            break;
        }
    }
    Ok(())
}

/// How a command ended, as a kubelet says it.
fn status(code: i32) -> Value {
    if code == 0 {
        return json!({ "metadata": {}, "status": "Success" });
    }
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}

/// A frame that needs no more than to be taken.
fn expected(stream: &mut Stream, frame: Frame) -> Result<()> {
    match frame {
        Frame::Control(PING, body) => control(stream, PING, &body),
        Frame::Control(GO_AWAY | RESET, _) => Err(Error::other("the other side went away")),
        _ => Ok(()),
    }
}

fn read(stream: &mut Stream) -> Result<Frame> {
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let mut bytes = vec![0; u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize];
    stream.read_exact(&mut bytes)?;
    if head[0] & 0x80 != 0 {
        return Ok(Frame::Control(u16::from_be_bytes([head[2], head[3]]), bytes));
    }
    let id = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    Ok(Frame::Data { stream: id, last: head[4] & FIN != 0, bytes })
}

fn control(stream: &mut Stream, kind: u16, body: &[u8]) -> Result<()> {
    let [_, length @ ..] = u32::try_from(body.len()).map_err(Error::other)?.to_be_bytes();
    send(stream, &[&[0x80, 3][..], &kind.to_be_bytes(), &[0], &length, body].concat())
}

/// Writes into a stream, and ends it unless it is `open`.
fn data(stream: &mut Stream, id: u32, bytes: &[u8], open: bool) -> Result<()> {
    let [_, length @ ..] = u32::try_from(bytes.len()).map_err(Error::other)?.to_be_bytes();
    let flags = if open { 0 } else { FIN };
    send(stream, &[&id.to_be_bytes()[..], &[flags], &length, bytes].concat())
}

fn send(stream: &mut Stream, bytes: &[u8]) -> Result<()> {
    stream.get_mut().write_all(bytes)?;
    stream.get_mut().flush()
}

/// A block of no headers: zlib over the whole connection, its head once, then a stored block of the number 0, and an empty
/// one, at which the reader hands on what it has.
fn no_headers(first: bool) -> Vec<u8> {
    let head: &[u8] = if first { &[0x78, 0x01] } else { &[] };
    [head, &[0, 4, 0, !4, !0, 0, 0, 0, 0], &[0, 0, 0, !0, !0]].concat()
}
