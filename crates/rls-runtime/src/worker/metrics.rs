//! What a worker does in, numbers out through the `metrics` facade; nothing without the feature `metrics`.
//!
//! The README has them as a table. No label names a tenant or holds anything of a payload.

use std::time::Duration;

use crate::queue::{Claimed, JobState, Settled};

pub(super) fn looked(lane: &str, due: usize) {
    record("rls_jobs_sweep_tenants", lane, due as f64);
}

pub(super) fn claimed(lane: &str, claimed: &Claimed, took: Duration) {
    record("rls_jobs_claim_seconds", lane, took.as_secs_f64());
    count("rls_jobs_claimed_total", &[("lane", lane)], claimed.jobs.len() as u64);
    count("rls_jobs_reclaimed_total", &[("lane", lane)], claimed.reclaimed);
    for job in &claimed.jobs {
        record("rls_jobs_wait_seconds", lane, job.waited.as_secs_f64());
    }
}

pub(super) fn started(lane: &str) {
    count("rls_jobs_started_total", &[("lane", lane)], 1);
}

pub(super) fn ran(lane: &str, took: Duration) {
    record("rls_jobs_run_seconds", lane, took.as_secs_f64());
}

pub(super) fn settled(lane: &str, settled: Settled) {
    let outcome = match settled {
        Settled::LeaseLost => return count("rls_jobs_leases_lost_total", &[("lane", lane)], 1),
        Settled::Done(JobState::Completed) => "completed",
        Settled::Done(JobState::Retryable) => "retried",
        Settled::Done(JobState::Discarded) => "dead",
        Settled::Done(JobState::Cancelled) => "cancelled",
        Settled::Done(JobState::Scheduled) => "snoozed",
        Settled::Done(JobState::Available | JobState::Executing) => "released",
    };
    count("rls_jobs_settled_total", &[("lane", lane), ("outcome", outcome)], 1);
}

/// By the handler, which knows as what.
pub(super) fn settled_itself(lane: &str) {
    count("rls_jobs_settled_total", &[("lane", lane), ("outcome", "by_itself")], 1);
}

pub(super) fn pruned(jobs: u64) {
    count("rls_jobs_pruned_total", &[], jobs);
}

pub(super) fn scheduled(jobs: usize) {
    count("rls_jobs_scheduled_total", &[], jobs as u64);
}

#[cfg(feature = "metrics")]
fn count(name: &'static str, labels: &[(&'static str, &str)], by: u64) {
    if by > 0 {
        let labels: Vec<_> = labels.iter().map(|(key, value)| metrics::Label::new(*key, (*value).to_owned())).collect();
        metrics::counter!(name, labels).increment(by);
    }
}

#[cfg(feature = "metrics")]
fn record(name: &'static str, lane: &str, value: f64) {
    metrics::histogram!(name, "lane" => lane.to_owned()).record(value);
}

#[cfg(not(feature = "metrics"))]
fn count(_: &'static str, _: &[(&'static str, &str)], _: u64) {}

#[cfg(not(feature = "metrics"))]
fn record(_: &'static str, _: &str, _: f64) {}
