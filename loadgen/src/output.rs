//! What a run leaves: records for programs, text for people, files for tools.

pub(crate) mod files;
pub(crate) mod live;
pub(crate) mod records;
pub(crate) mod text;
