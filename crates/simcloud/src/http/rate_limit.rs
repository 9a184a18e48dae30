//! GitHub's primary rate limit: so many requests in each window, told with every answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::Answer;
use crate::fault::What;
use crate::world::World;

/// Requests in the present window.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    window: i64,
    used: u32,
}

impl RateLimit {
    pub(crate) fn is_used_up(&mut self, world: &World) -> bool {
        let limit = world.settings.rate_limit;
        limit > 0 && self.used(world) >= limit
    }

    pub(crate) fn count(&mut self, world: &World) {
        self.used = self.used(world).saturating_add(1).min(world.settings.rate_limit);
    }

    /// Others may use the same token, and have used the rest.
    pub(crate) fn others_use_it(&mut self, world: &mut World) {
        if world.strikes(|what| matches!(what, What::BudgetGone)) {
            self.used = self.used(world).max(world.settings.rate_limit);
        }
    }

    /// What `/rate_limit` answers.
    pub(crate) fn json(&mut self, world: &World) -> Value {
        let (limit, used) = (world.settings.rate_limit, self.used(world));
        let rate =
            json!({"limit": limit, "used": used, "remaining": limit - used, "reset": self.reset(world)});
        json!({"resources": {"core": rate, "search": rate}, "rate": rate})
    }

    /// The answer with the headers that every answer bears; none where there is no limit.
    pub(crate) fn told_with(&mut self, world: &World, answer: Answer) -> Answer {
        let (limit, used) = (world.settings.rate_limit, self.used(world));
        if limit == 0 {
            return answer;
        }
        answer
            .header("x-ratelimit-limit", limit.to_string())
            .header("x-ratelimit-remaining", (limit - used).to_string())
            .header("x-ratelimit-used", used.to_string())
            .header("x-ratelimit-reset", self.reset(world).to_string())
            .header("x-ratelimit-resource", "core")
    }

    fn used(&mut self, world: &World) -> u32 {
        let window = world.now().as_second() / seconds(world.settings.rate_window);
        if self.window != window {
            *self = RateLimit { window, used: 0 };
        }
        // The setting may have been lowered meanwhile.
        self.used.min(world.settings.rate_limit)
    }

    fn reset(&self, world: &World) -> i64 {
        (self.window + 1) * seconds(world.settings.rate_window)
    }
}

fn seconds(window: Duration) -> i64 {
    i64::try_from(window.as_secs()).unwrap_or(i64::MAX).max(1)
}
