//! The original's names for applications and workloads, so that its experiment files go on working.

/// How the original's files refer to what comes with it.
pub const MODULE: &str = "$MODULE_DEFAULT/";

/// The applications, by each name that they have.
const APPLICATIONS: [(&str, &[&str]); 4] = [
    ("hotel-reservation", &["hotel"]),
    ("social-network", &["social"]),
    ("media-microservices", &["media"]),
    ("train-ticket", &["train"]),
];

/// The original's scripts, by folder and file, and the workloads that do the same.
const SCRIPTS: [(&str, &str); 15] = [
    ("hotel/login.lua", "hotel-reservation/login"),
    (
        "hotel/recommendation.lua",
        "hotel-reservation/recommendation",
    ),
    ("hotel/search.lua", "hotel-reservation/search"),
    ("hotel/reserve.lua", "hotel-reservation/reservation"),
    ("hotel/mixed-workload_type_1.lua", "hotel-reservation/mixed"),
    (
        "social/read-home-timeline.lua",
        "social-network/read-home-timeline",
    ),
    (
        "social/read-user-timeline.lua",
        "social-network/read-user-timeline",
    ),
    ("social/compose-post.lua", "social-network/compose-post"),
    ("social/mixed-workload.lua", "social-network/mixed"),
    (
        "media/compose-review.lua",
        "media-microservices/compose-review",
    ),
    ("train/query.lua", "train-ticket/query"),
    // As its README prints them, in the wrong folder.
    (
        "hotel/read-home-timeline.lua",
        "social-network/read-home-timeline",
    ),
    (
        "hotel/read-user-timeline.lua",
        "social-network/read-user-timeline",
    ),
    ("hotel/compose-post.lua", "social-network/compose-post"),
    ("hotel/mixed-workload.lua", "social-network/mixed"),
];

/// The application's own name for any name it has: `social-network`, `social`, `$MODULE_DEFAULT/social`.
#[must_use]
pub fn application(name: &str) -> Option<&'static str> {
    let name = name
        .strip_prefix(MODULE)
        .unwrap_or(name)
        .trim_end_matches('/');
    APPLICATIONS
        .iter()
        .find(|(own, short)| *own == name || short.contains(&name))
        .map(|(own, _)| *own)
}

/// The native workload that a script of the original's is: `$MODULE_DEFAULT/hotel/search.lua`. Other paths are the
/// user's own scripts.
#[must_use]
pub fn workload(script: &str) -> Option<&'static str> {
    let path = script.strip_prefix(MODULE)?;
    SCRIPTS
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, workload)| *workload)
}

/// The scripts that come with the original, by folder and file.
pub fn scripts() -> impl Iterator<Item = &'static str> + Clone {
    SCRIPTS.iter().map(|(script, _)| *script)
}

/// A native workload's own name for any name that it has: `hotel/search`, `$MODULE_DEFAULT/hotel/search.lua`.
#[must_use]
pub fn native(name: &str) -> Option<String> {
    let short = || {
        let (app, rest) = name.split_once('/')?;
        let app = APPLICATIONS
            .iter()
            .find(|(_, short)| short.contains(&app))?;
        Some(format!("{}/{rest}", app.0))
    };
    workload(name).map(str::to_owned).or_else(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::Workload;

    #[test]
    fn every_script_of_the_original_is_a_native_workload_of_its_application() {
        for (script, name) in SCRIPTS {
            let workload =
                Workload::by_name(workload(&format!("{MODULE}{script}")).unwrap()).unwrap();
            assert_eq!(workload.name, name);
            let folder = script.split('/').next().unwrap();
            let misprinted = folder == "hotel" && workload.app() == "social-network";
            assert!(
                misprinted || application(folder) == Some(workload.app()),
                "{script}"
            );
        }
        let of_the_original = SCRIPTS.iter().filter(|(script, name)| {
            application(script.split('/').next().unwrap()) == name.split('/').next()
        });
        assert_eq!(of_the_original.count(), 11);
    }

    #[test]
    fn a_workload_is_found_by_each_of_its_names() {
        let found = |name: &str| Workload::by_name(name).map(|workload| workload.name);
        for name in [
            "hotel-reservation/search",
            "hotel/search",
            "$MODULE_DEFAULT/hotel/search.lua",
        ] {
            assert_eq!(found(name), Some("hotel-reservation/search"), "{name}");
        }
        for (short, long) in [
            ("social/mixed", "social-network/mixed"),
            ("media/compose-review", "media-microservices/compose-review"),
            ("train/query", "train-ticket/query"),
        ] {
            assert_eq!(found(short), Some(long));
        }
        for none in [
            "hotel",
            "hotel/none",
            "bank/search",
            "$MODULE_DEFAULT/hotel/none.lua",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn other_paths_are_the_users() {
        for path in [
            "hotel/search.lua",
            "./search.lua",
            "$MODULE_DEFAULT/hotel/none.lua",
            "$MODULE_DEFAULT/",
        ] {
            assert_eq!(workload(path), None, "{path}");
        }
    }

    #[test]
    fn an_application_has_all_its_names() {
        for name in [
            "social-network",
            "social",
            "$MODULE_DEFAULT/social",
            "$MODULE_DEFAULT/social/",
        ] {
            assert_eq!(application(name), Some("social-network"));
        }
        assert_eq!(application("$MODULE_DEFAULT/bank"), None);
        for app in crate::catalogue::Application::shipped().unwrap() {
            for name in app.aliases.iter().chain([&app.name]) {
                assert_eq!(application(name), Some(app.name.as_str()));
            }
        }
    }
}
