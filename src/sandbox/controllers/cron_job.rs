//! `CronJob`s: a Job at each time of the schedule.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::meta;
use super::super::store::{Event, Key};
use super::deployment::owner_in;
use super::desk::{Desk, controlled_by};
use super::job;
use super::{Simulated, Told};

pub(super) struct CronJobs;

const RESOURCE: &str = "cronjobs.batch";

/// The minutes, hours, days, months and weekdays of a schedule; Sunday is 0 and 7.
#[derive(Debug)]
struct Schedule([Vec<i16>; 5]);

impl Schedule {
    fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            text => text,
        };
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else { return None };
        Some(Self([
            field(minute, 0, 59)?,
            field(hour, 0, 23)?,
            field(day, 1, 31)?,
            field(month, 1, 12)?,
            field(weekday, 0, 7)?,
        ]))
    }

    fn fits(&self, at: &jiff::Zoned) -> bool {
        let [minutes, hours, days, months, weekdays] = &self.0;
        let weekday = i16::from(at.weekday().to_sunday_zero_offset());
        let on_weekday = weekdays.contains(&weekday) || weekday == 0 && weekdays.contains(&7);
        let on_day = days.contains(&i16::from(at.day()));
        // where both are restricted, either is enough
        let day = if days.len() < 31 && weekdays.len() < 7 { on_day || on_weekday } else { on_day && on_weekday };
        minutes.contains(&i16::from(at.minute()))
            && hours.contains(&i16::from(at.hour()))
            && months.contains(&i16::from(at.month()))
            && day
    }
}

fn field(text: &str, least: i16, most: i16) -> Option<Vec<i16>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step: usize = step.map_or(Some(1), |step| step.parse().ok().filter(|step| *step > 0))?;
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (least, most),
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None => {
                let only = range.parse().ok()?;
                (only, if step > 1 { most } else { only })
            }
        };
        if from < least || to > most || from > to {
            return None;
        }
        all.extend((from..=to).step_by(step));
    }
    Some(all)
}

/// The minute that `now` is in, where the schedule has it.
fn due(cron: &Value, now: Timestamp) -> Option<Timestamp> {
    let schedule = Schedule::parse(cron["spec"]["schedule"].as_str()?)?;
    let zone = cron["spec"]["timeZone"].as_str().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let minute = Timestamp::from_second(now.as_second().div_euclid(60) * 60).ok()?;
    let made: Timestamp = meta::field(cron, "creationTimestamp").parse().ok()?;
    (minute > made && schedule.fits(&minute.to_zoned(zone))).then_some(minute)
}

impl Simulated for CronJobs {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    fn is_sum(&self) -> bool {
        true
    }

    fn suspended(&self, cron: &Value) -> bool {
        cron["spec"]["suspend"] == true
    }

    fn tend(&self, desk: &Desk<'_>, cron: &Value, _told: &Told) {
        let Some(at) = due(cron, Timestamp::now()) else { return };
        let name = format!("{}-{}", meta::name(cron), at.as_second() / 60);
        if desk.get(job::RESOURCE, meta::namespace(cron), &name).is_some() {
            return;
        }
        let template = &cron["spec"]["jobTemplate"];
        let mut metadata = template["metadata"].clone();
        let map = meta::map_mut(&mut metadata);
        map.insert("name".into(), name.into());
        map.insert("namespace".into(), meta::namespace(cron).into());
        map.insert("ownerReferences".into(), controlled_by(cron));
        let made = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]});
        if let Err(why) = desk.create(made) {
            tracing::debug!(why, "no Job for CronJob {}", meta::name(cron));
        }
    }

    fn settled(&self, desk: &Desk<'_>, cron: &Value, _fault: Option<&str>) -> Option<Value> {
        let jobs = desk.owned(job::RESOURCE, cron);
        let mut status = json!({});
        let latest =
            |times: Vec<&str>, before: &Value| times.into_iter().chain(before.as_str()).max().map(str::to_owned);
        let started = jobs.iter().map(|job| meta::field(job, "creationTimestamp")).collect();
        if let Some(at) = latest(started, &cron["status"]["lastScheduleTime"]) {
            status["lastScheduleTime"] = at.into();
        }
        let ended = jobs.iter().filter_map(|job| job["status"]["completionTime"].as_str()).collect();
        if let Some(at) = latest(ended, &cron["status"]["lastSuccessfulTime"]) {
            status["lastSuccessfulTime"] = at.into();
        }
        let active: Vec<Value> = jobs
            .iter()
            .filter(|job| job["status"]["active"].as_i64().unwrap_or_default() > 0)
            .map(|job| {
                json!({"apiVersion": "batch/v1", "kind": "Job", "name": meta::name(job), "uid": meta::uid(job),
                       "namespace": meta::namespace(job), "resourceVersion": meta::resource_version(job)})
            })
            .collect();
        if !active.is_empty() {
            status["active"] = active.into();
        }
        Some(status)
    }

    fn again(&self, cron: &Value) -> Option<Duration> {
        Schedule::parse(cron["spec"]["schedule"].as_str()?)?;
        let past = Timestamp::now().as_second().rem_euclid(60);
        Some(Duration::from_secs(u64::try_from(60 - past).unwrap_or(60)))
    }

    fn concerned(&self, _desk: &Desk<'_>, event: &Event) -> Vec<Key> {
        owner_in(event, job::RESOURCE, "CronJob", RESOURCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(schedule: &str, at: &str) -> bool {
        let at: Timestamp = at.parse().expect("a time");
        Schedule::parse(schedule).expect("a schedule").fits(&at.to_zoned(TimeZone::UTC))
    }

    #[test]
    fn a_schedule_fits_its_minutes_and_no_others() {
        assert!(fits("*/15 2-4 * * *", "2026-03-01T03:45:00Z"));
        assert!(!fits("*/15 2-4 * * *", "2026-03-01T03:46:00Z"));
        assert!(!fits("*/15 2-4 * * *", "2026-03-01T05:00:00Z"));
        assert!(fits("0 9 * * 1,3", "2026-03-02T09:00:00Z"), "a Monday");
        assert!(fits("@weekly", "2026-03-01T00:00:00Z") && fits("0 0 * * 7", "2026-03-01T00:00:00Z"), "a Sunday");
        assert!(fits("0 0 13 * 5", "2026-03-06T00:00:00Z"), "a Friday that is no 13th");
    }

    #[test]
    fn what_is_no_schedule_is_none() {
        for text in ["", "* * * *", "61 * * * *", "*/0 * * * *", "5-1 * * * *", "a * * * *"] {
            assert!(Schedule::parse(text).is_none(), "{text}");
        }
    }
}
