//! Which key belongs where: a key in the wrong section, or under a name that other tools have for it, is sent home.

use super::fault::suggestion;

/// The keys of the sections whose keys are not names of the user's. A test
/// tries whether each is read.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "experiment",
            "platform",
            "app",
            "application",
            "workload",
            "request",
            "seed",
            "shuffle",
            "axes",
            "order",
            "interference",
            "environment",
            "load",
            "collect",
            "local",
            "kubernetes",
            "data",
        ],
    ),
    (
        "load",
        &[
            "arrival",
            "connections",
            "warmup",
            "duration",
            "timeout",
            "grace",
            "min_ok",
        ],
    ),
    (
        "collect",
        &[
            "interval",
            "pending",
            "settle",
            "flush",
            "trace_memory",
            "listen",
            "jaeger",
            "prometheus",
            "tables",
        ],
    ),
    ("environment", &["at_start", "on_change", "init_data"]),
    ("local", &["instrument_cores", "testbed_cores", "entrance"]),
];

/// What others call it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("measure", "load", "duration"),
    ("measurement", "load", "duration"),
    ("ramp_up", "load", "warmup"),
    ("clients", "load", "connections"),
    ("threads", "load", "connections"),
    ("rps", "axes", "rate"),
    ("qps", "axes", "rate"),
    ("rate", "axes", "rate"),
    ("rates", "axes", "rate"),
    ("round", "axes", "round"),
    ("rounds", "axes", "round"),
    ("repetitions", "axes", "round"),
    ("repeat", "axes", "round"),
    ("cpu", "axes", "cpu"),
    ("namespace", "kubernetes", "namespace"),
    ("image", "kubernetes", "image"),
    ("manifests", "kubernetes", "manifests"),
];

/// Where a key belongs that `section` does not have: the section (empty: the top of the file) and the key's name there.
pub(super) fn home(section: &str, key: &str) -> Option<(&'static str, &'static str)> {
    let elsewhere = ELSEWHERE
        .iter()
        .filter(|(_, home, _)| *home != section)
        .map(|(other, home, key)| (*other, (*home, *key)));
    let own = SECTIONS
        .iter()
        .filter(|(home, _)| *home != section)
        .flat_map(|(home, keys)| keys.iter().map(move |key| (*key, (*home, *key))));
    let known: Vec<(&str, (&str, &str))> = own.chain(elsewhere).collect();
    let near = suggestion(key, known.iter().map(|(name, _)| *name))?;
    let found = known.iter().find(|(name, _)| *name == near);
    found.map(|(_, home)| *home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sent_home_from_wherever_they_were_written() {
        assert_eq!(home("", "warm_up"), Some(("load", "warmup")));
        assert_eq!(home("", "measuree"), Some(("load", "duration")));
        assert_eq!(home("load", "settle"), Some(("collect", "settle")));
        assert_eq!(home("load", "seed"), Some(("", "seed")));
        assert_eq!(home("", "qps"), Some(("axes", "rate")));
        assert_eq!(home("", "colour"), None);
    }

    #[test]
    fn every_key_that_is_named_here_is_read() {
        for (section, keys) in SECTIONS {
            for key in *keys {
                let line = match *section {
                    "" => format!("{key}: null\n"),
                    section => format!("{section}: {{{key}: null}}\n"),
                };
                let read = crate::experiment::Experiment::read(&line, &|_| false);
                let faults = read.err().map(|faults| faults.sorted());
                let unknown = format!("unknown key `{key}`");
                let mut faults = faults.into_iter().flatten();
                assert!(
                    !faults.any(|fault| fault.message.contains(&unknown)),
                    "{section}: {key} is not read"
                );
            }
        }
    }
}
