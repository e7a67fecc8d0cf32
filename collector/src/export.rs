//! A run's tables in other forms.

mod aefm_csv;
pub(crate) mod read;

pub use aefm_csv::{CsvError, write_aefm_csv};
pub use read::{Rows, TableError, read_table};
