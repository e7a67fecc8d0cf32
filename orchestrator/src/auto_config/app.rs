//! The applications that a file can be written for, and what each is best begun with.

use aefm_workloads::catalogue::names;

/// An application, and how it is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// Whether its services are those that AEFM emulates: the testbed.
    pub emulated: bool,
    /// The workload to begin with.
    pub workload: &'static str,
    /// What else there is, for a comment.
    pub others: &'static str,
    /// Pods of the components that take the load, where one is not enough.
    pub replicas: &'static [(&'static str, u32)],
    /// Cores and memory of each pod under test; none for emulated services, which take what they need.
    pub limits: Option<(&'static str, &'static str)>,
    /// How long it may take to be ready.
    pub ready: &'static str,
}

/// Replicas and limits are those that AEFM 0.2.0 began with.
pub const APPS: [App; 5] = [
    App {
        name: "hotel-reservation",
        emulated: false,
        workload: "mixed",
        others: "search, recommendation, login, reservation",
        replicas: &[
            ("frontend", 4),
            ("reservation", 4),
            ("search", 3),
            ("rate", 2),
            ("profile", 2),
            ("geo", 2),
        ],
        limits: Some(("100m", "100Mi")),
        ready: "5m",
    },
    App {
        name: "social-network",
        emulated: false,
        workload: "mixed",
        others: "compose-post, read-home-timeline, read-user-timeline",
        replicas: &[
            ("user-timeline-service", 4),
            ("home-timeline-service", 4),
            ("post-storage-service", 4),
        ],
        limits: Some(("100m", "100Mi")),
        ready: "5m",
    },
    App {
        name: "media-microservices",
        emulated: false,
        workload: "compose-review",
        others: "none",
        replicas: &[
            ("nginx-web-server", 5),
            ("compose-review-service", 4),
            ("movie-id-service", 2),
        ],
        limits: Some(("100m", "100Mi")),
        ready: "5m",
    },
    App {
        name: "train-ticket",
        emulated: false,
        workload: "query",
        others: "none",
        replicas: &[
            ("ts-travel-service", 3),
            ("ts-config-service", 2),
            ("ts-basic-service", 2),
            ("ts-station-service", 2),
        ],
        limits: Some(("200m", "1Gi")),
        ready: "15m",
    },
    App {
        name: "hotel-reservation",
        emulated: true,
        workload: "mixed",
        others: "search, recommendation, login, reservation",
        replicas: &[],
        limits: None,
        ready: "5m",
    },
];

/// What the testbed is called on the command line.
pub const TESTBED: &str = "testbed";

impl App {
    /// The application of that name, of one of the original's short names (`hotel`), or `testbed`.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let wanted = names::application(name);
        let found = APPS.into_iter().find(|app| {
            if app.emulated {
                name == TESTBED
            } else {
                wanted == Some(app.name)
            }
        });
        found.ok_or_else(|| {
            let known: Vec<_> = APPS.iter().map(App::label).collect();
            format!(
                "unknown application `{name}`{}",
                crate::experiment::fault::way_out(name, known.into_iter())
            )
        })
    }

    /// What it is called on the command line.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        if self.emulated { TESTBED } else { self.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_go_by_long_and_short_names() {
        assert_eq!(
            App::named("hotel").map(|app| (app.name, app.emulated)),
            Ok(("hotel-reservation", false))
        );
        assert_eq!(
            App::named("train-ticket").map(|app| app.workload),
            Ok("query")
        );
        assert!(App::named("testbed").is_ok_and(|app| app.emulated));
        assert!(
            App::named("hotell-reservation")
                .is_err_and(|error| error.contains("hotel-reservation"))
        );
    }
}
