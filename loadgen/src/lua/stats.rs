//! `latency` and `requests` as `done` gets them.

use crate::record::Hist;
use mlua::{MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

/// A distribution in a script.
pub(super) struct Stats {
    /// The values.
    pub(super) hist: Hist,
    /// How much of them makes one of the script's: 1000 for microseconds of nanoseconds.
    pub(super) scale: f64,
}

impl Stats {
    fn scaled(&self, value: f64) -> f64 {
        value / self.scale
    }

    /// The value at a rank from 1: wrk2's `latency[i]`.
    fn at_rank(&self, rank: f64) -> f64 {
        let share = rank / (self.hist.len().max(1)) as f64;
        self.scaled(self.hist.value_at_quantile(share.clamp(0.0, 1.0)) as f64)
    }

    /// The i-th of the different values, and how often it occurred: wrk's `latency(i)`.
    fn distinct(&self, index: usize) -> (f64, u64) {
        let step = index
            .checked_sub(1)
            .and_then(|skip| self.hist.iter_recorded().nth(skip));
        step.map_or((0.0, 0), |step| {
            (
                self.scaled(step.value_iterated_to() as f64),
                step.count_at_value(),
            )
        })
    }
}

impl UserData for Stats {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("min", |_, own| {
            Ok(if own.hist.is_empty() {
                0.0
            } else {
                own.scaled(own.hist.min() as f64)
            })
        });
        fields.add_field_method_get("max", |_, own| Ok(own.scaled(own.hist.max() as f64)));
        fields.add_field_method_get("mean", |_, own| Ok(own.scaled(own.hist.mean())));
        fields.add_field_method_get("stdev", |_, own| Ok(own.scaled(own.hist.stdev())));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("percentile", |_, own, p: f64| {
            Ok(own.scaled(own.hist.value_at_quantile((p / 100.0).clamp(0.0, 1.0)) as f64))
        });
        methods.add_meta_method(MetaMethod::Index, |_, own, key: Value| {
            Ok(match key {
                Value::Integer(rank) => Some(own.at_rank(rank as f64)),
                Value::Number(rank) => Some(own.at_rank(rank)),
                _ => None,
            })
        });
        methods.add_meta_method(MetaMethod::Call, |_, own, index: usize| {
            Ok(own.distinct(index))
        });
        methods.add_meta_method(MetaMethod::Len, |_, own, ()| Ok(own.hist.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::hist;
    use mlua::Lua;

    #[test]
    fn scripts_read_distributions() {
        let mut values = hist();
        for us in 1..=100u64 {
            values.saturating_record(us * 1000);
        }
        let lua = Lua::new();
        lua.globals()
            .set(
                "latency",
                Stats {
                    hist: values,
                    scale: 1000.0,
                },
            )
            .unwrap();
        let text = "local v, n = latency(3); return latency.min, latency.max, latency.mean, latency:percentile(50), \
                    latency[90], #latency, v, n, latency.nothing";
        type Read = (f64, f64, f64, f64, f64, u64, f64, u64, Option<f64>);
        let read: Read = lua.load(text).eval().unwrap();
        let near = |value: f64, exact: f64| (value - exact).abs() <= exact * 0.002;
        assert!(
            near(read.0, 1.0) && near(read.1, 100.0) && near(read.2, 50.5),
            "{read:?}"
        );
        assert!(
            near(read.3, 50.0) && near(read.4, 90.0) && near(read.6, 3.0),
            "{read:?}"
        );
        assert_eq!((read.5, read.7, read.8), (100, 1, None));
    }
}
