//! GitHub's primary rate limit: so many requests in each hour, told with every answer.

use serde_json::{Value, json};

use super::answer::Answer;
use crate::world::World;

const HOUR: i64 = 3600;

/// Requests in the present hour.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    hour: i64,
    used: u32,
}

impl RateLimit {
    pub(crate) fn is_used_up(&mut self, world: &World) -> bool {
        self.used(world) >= world.settings.rate_limit
    }

    pub(crate) fn count(&mut self, world: &World) {
        self.used = self.used(world).saturating_add(1).min(world.settings.rate_limit);
    }

    /// What `/rate_limit` answers.
    pub(crate) fn json(&mut self, world: &World) -> Value {
        let (limit, used) = (world.settings.rate_limit, self.used(world));
        let rate = json!({"limit": limit, "used": used, "remaining": limit - used, "reset": self.reset()});
        json!({"resources": {"core": rate, "search": rate}, "rate": rate})
    }

    /// The answer with the headers that every answer bears.
    pub(crate) fn told_with(&mut self, world: &World, answer: Answer) -> Answer {
        let (limit, used) = (world.settings.rate_limit, self.used(world));
        answer
            .header("x-ratelimit-limit", limit.to_string())
            .header("x-ratelimit-remaining", (limit - used).to_string())
            .header("x-ratelimit-used", used.to_string())
            .header("x-ratelimit-reset", self.reset().to_string())
            .header("x-ratelimit-resource", "core")
    }

    fn used(&mut self, world: &World) -> u32 {
        let hour = world.now().as_second() / HOUR;
        if self.hour != hour {
            *self = RateLimit { hour, used: 0 };
        }
        // The setting may have been lowered meanwhile.
        self.used.min(world.settings.rate_limit)
    }

    fn reset(&self) -> i64 {
        (self.hour + 1) * HOUR
    }
}
