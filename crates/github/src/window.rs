//! A limit on how much may be done in any span of time: GitHub's secondary limits.
//!
//! It allows all at once what the limit allows, and then waits for the span to pass. A token bucket with the same
//! guarantee would allow a burst of half the limit and half the rate after it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What was done lately, against what may be done in any `span`.
#[derive(Debug)]
pub(crate) struct Window {
    most: u32,
    span: Duration,
    done: VecDeque<(Instant, u32)>,
    sum: u32,
}

impl Window {
    /// At most this much in any span of this length.
    pub(crate) fn new((most, span): (u32, Duration)) -> Self {
        Window { most, span, done: VecDeque::new(), sum: 0 }
    }

    /// How long until `amount` can be done with `left_over` remaining. More than is ever allowed at once goes when
    /// nothing was done lately.
    pub(crate) fn wait(&mut self, amount: u32, left_over: u32, now: Instant) -> Duration {
        while let Some((_, past)) = self.done.pop_front_if(|(at, _)| *at + self.span <= now) {
            self.sum -= past;
        }
        let allowed = self.most.saturating_sub(left_over);
        let mut excess = if amount == 0 { 0 } else { (self.sum + amount).saturating_sub(allowed) };
        let mut free_at = now;
        for (at, past) in &self.done {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(*past);
            free_at = *at + self.span;
        }
        free_at - now
    }

    /// Takes in that this much was done.
    pub(crate) fn take(&mut self, amount: u32, now: Instant) {
        if amount == 0 {
            return;
        }
        self.sum += amount;
        match self.done.back_mut() {
            Some((at, done)) if *at == now => *done += amount,
            _ => self.done.push_back((now, amount)),
        }
    }
}

#[cfg(test)]
mod tests;
