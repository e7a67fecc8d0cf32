//! What keeps a stressor from its request, other than that the machine has no more to give.

use aefm_workloads::interference::Why;

/// One such thing, as it is seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// Its kind.
    pub why: Why,
    /// For people; empty where the word says all.
    pub detail: String,
}

impl Hindrance {
    /// With something to say beyond the word.
    pub fn new(why: Why, detail: impl Into<String>) -> Self {
        Self {
            why,
            detail: detail.into(),
        }
    }

    /// A word that says all.
    #[must_use]
    pub fn plain(why: Why) -> Self {
        Self::new(why, "")
    }

    /// Whether windows under it say nothing about what will be held: the stressor is still on its way.
    #[must_use]
    pub fn is_on_its_way(&self) -> bool {
        matches!(self.why, Why::Filling | Why::Measuring)
    }
}

/// How long each hindrance lasted in a stretch of time.
#[derive(Clone, Debug, Default)]
pub struct Tally(Vec<(Hindrance, u64)>);

impl Tally {
    /// So much time under that.
    pub fn add(&mut self, hindrance: &Hindrance, length_ns: u64) {
        match self
            .0
            .iter_mut()
            .find(|(known, _)| known.why == hindrance.why)
        {
            Some((known, all_ns)) => {
                // The last words are the nearest to the whole story.
                known.clone_from(hindrance);
                *all_ns += length_ns;
            }
            None => self.0.push((hindrance.clone(), length_ns)),
        }
    }

    /// What explains most of it: something that was taken away first, else what lasted longest.
    #[must_use]
    pub fn main(&self) -> Option<&Hindrance> {
        let weight =
            |(hindrance, all_ns): &&(Hindrance, u64)| (hindrance.why == Why::Taken, *all_ns);
        self.0
            .iter()
            .max_by_key(weight)
            .map(|(hindrance, _)| hindrance)
    }

    /// That of one kind, if there was any.
    #[must_use]
    pub fn of(&self, why: Why) -> Option<&Hindrance> {
        let mut all = self.0.iter().map(|(hindrance, _)| hindrance);
        all.find(|known| known.why == why)
    }

    /// Whether there was one of that kind.
    #[must_use]
    pub fn has(&self, why: Why) -> bool {
        self.of(why).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_away_explains_more_than_what_lasted_longer() {
        let mut tally = Tally::default();
        assert_eq!(tally.main(), None);
        tally.add(&Hindrance::plain(Why::Throttled), 5);
        tally.add(&Hindrance::plain(Why::Stopped), 4);
        tally.add(&Hindrance::plain(Why::Stopped), 4);
        assert_eq!(tally.main().unwrap().why, Why::Stopped);
        tally.add(&Hindrance::new(Why::Taken, "core 1"), 1);
        assert_eq!(tally.main().unwrap().detail, "core 1");
        assert!(tally.has(Why::Throttled) && !tally.has(Why::Limited));
    }
}
