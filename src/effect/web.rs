//! `http` natives: a sandbox answers from its routes and refuses the rest; a real context refuses another one's hosts.

use std::{collections::BTreeMap, time::Instant};

use serde_json::{Value, json};

use super::{
    Call, EffectError, Mode, Sort,
    ledger::{Answer, Intent},
};
use crate::{
    event::{Applied, Outcome},
    http::{self, HttpError},
    model::{Place, Read, Touch, Verb},
};

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as text, its first MiB.
    pub body: String,
}

/// What is sent besides the URL.
#[derive(Clone, Debug, Default)]
pub struct HttpInput {
    /// Header names and values: with the body, the place for secrets.
    pub headers: Vec<(String, String)>,
    /// What is posted.
    pub body: Option<String>,
}

/// How a URL is asked without changing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// For all of it.
    Get,
    /// For its status and headers alone.
    Head,
}

impl Asked {
    fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

impl Call {
    /// Asks a URL.
    pub fn http_ask(&self, how: Asked, url: &str, input: &HttpInput) -> Result<HttpReply, EffectError> {
        let native = match how {
            Asked::Get => "http::get",
            Asked::Head => "http::head",
        };
        self.allow(native, Mode::Read)?;
        if self.trial.is_some() {
            self.asks(url);
            return Ok(HttpReply { status: 200, headers: BTreeMap::new(), body: String::new() });
        }
        let scrubber = &self.door(native)?.parts.scrubber;
        scrubber.learn_urls(url);
        self.read(Read::Polled(format!("{} {}", how.method(), scrubber.scrub(url))));
        self.send_http(native, how.method(), url, input).map_err(|(error, _)| self.ran_into(error))
    }

    /// Posts to a URL; gives `#{ status, headers, body }`. A status from 400 on fails the step.
    pub fn http_post(&self, url: &str, input: &HttpInput, place: Option<Place>) -> Result<Value, EffectError> {
        let native = "http::post";
        self.allow(native, Mode::Change)?;
        Self::refuse_stand_in(native, "a URL, header or body", &json!([url, input.headers, input.body]))?;
        if let Some(door) = &self.door {
            door.parts.scrubber.learn_urls(url);
        }
        let target = self.scrubbed(url);
        if let Some(trial) = &self.trial {
            self.asks(url);
            let mut touch = Touch::new(Verb::Post, target.as_str());
            touch.remark = Some("what was posted has no automatic way back".into());
            trial.touch(touch);
            return Ok(json!({ "status": 200, "headers": {}, "body": "" }));
        }
        let intent = Intent {
            native: native.into(),
            targets: vec![target.clone()],
            input: self.digest_of(json!([url, input.headers, input.body])),
            idempotent: false,
            place,
        };
        self.ledger(native)?.perform(
            intent,
            // before it is journaled: what is refused was not sent
            || self.own_host(native, url).map(|_| vec![]),
            |_| {
                let answer = |outcome, output, error: Option<EffectError>| Answer {
                    results: vec![Applied {
                        target: target.clone(),
                        outcome,
                        message: error.as_ref().map(ToString::to_string),
                        after: None,
                    }],
                    output,
                    error,
                };
                match self.send_http(native, "POST", url, input) {
                    Ok(reply) => {
                        let body = self.scrubbed(&reply.body);
                        let output = json!({ "status": reply.status, "headers": reply.headers, "body": body });
                        if reply.status < 400 {
                            return Ok(answer(Outcome::Applied, output, None));
                        }
                        let said = body.lines().map(str::trim).find(|line| !line.is_empty());
                        let said = said.map_or_else(|| "with an empty body".to_owned(), |line| clipped(line, 200));
                        let message = format!("{target} answered {} to a POST: {said}", reply.status);
                        Ok(answer(Outcome::Failed, output, Some(EffectError::new(Sort::Failed, message))))
                    }
                    Err((error, true)) => {
                        let error = EffectError { sort: Sort::Failed, ..error };
                        Ok(answer(Outcome::Failed, Value::Null, Some(error)))
                    }
                    Err((error, false)) => {
                        let sort = if error.sort == Sort::Cancelled { Sort::Cancelled } else { Sort::Uncertain };
                        let message = format!("{native} {target} was sent and its answer is not known: {error}");
                        Err(EffectError::new(sort, message))
                    }
                }
            },
        )
    }

    /// Host and path of a URL that this context may ask.
    fn own_host(&self, native: &str, url: &str) -> Result<(String, String), EffectError> {
        let door = self.door(native)?;
        let (host, path) =
            http::host_and_path(url).map_err(|error| EffectError::new(Sort::Argument, error.to_string()))?;
        match door.parts.hosts.refuses(&door.target().name, url) {
            Some((message, help)) => Err(EffectError::new(Sort::Identity, message).help(help)),
            None => Ok((host, path)),
        }
    }

    /// Sends a request; an error comes with whether it is certain that nothing was sent.
    fn send_http(
        &self,
        native: &str,
        method: &'static str,
        url: &str,
        input: &HttpInput,
    ) -> Result<HttpReply, (EffectError, bool)> {
        let (host, path) = self.own_host(native, url).map_err(|error| (error, true))?;
        let door = self.door(native).map_err(|error| (error, true))?;
        if let Some(sandbox) = &door.parts.sandbox {
            let answer = sandbox.answer_http(method, &host, &path);
            return match answer.map_err(|why| (EffectError::new(Sort::Unreachable, why), method != "POST"))? {
                Some((status, body)) => {
                    let body = if method == "HEAD" { String::new() } else { body };
                    Ok(HttpReply { status, headers: BTreeMap::new(), body })
                }
                // the route may appear: a verify waits for it
                None => Err((
                    EffectError::new(
                        Sort::Hard,
                        format!("{host} is not routed in the sandbox, and a sandbox run reaches no other host"),
                    )
                    .help("the sandbox answers for the hostnames of its HTTPRoutes and Ingresses"),
                    true,
                )),
            };
        }
        let request = http::Request {
            headers: &input.headers,
            body: input.body.clone().map(String::into_bytes),
            timeout: self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
            on_cancel: Some(&|wake| Box::new(self.cancel.on_cancel(wake))),
        };
        let http = door.http().map_err(|error| (error, true))?;
        let answer = match method {
            "HEAD" => http.head(url, &request),
            "POST" => http.post(url, &request),
            _ => http.get(url, &request),
        };
        let answer = answer.map_err(|error| {
            let sort = match &error {
                HttpError::Cancelled { .. } => Sort::Cancelled,
                HttpError::BadUrl { .. } | HttpError::BadHeader { .. } => Sort::Argument,
                HttpError::NoClient(_) => Sort::Hard,
                _ => Sort::Unreachable,
            };
            (EffectError::new(sort, error.to_string()), error.nothing_was_sent())
        })?;
        Ok(HttpReply { status: answer.status, headers: answer.headers, body: answer.body })
    }
}

/// The beginning of a line.
fn clipped(line: &str, most: usize) -> String {
    let kept: String = line.chars().take(most).collect();
    if kept.len() < line.len() { kept + "…" } else { kept }
}
