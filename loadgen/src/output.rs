//! What a run leaves: records for programs, text for people, files for tools.

pub(crate) mod records;
