//! CSV into rows of text.

use super::{Grid, Value};

/// Reads CSV whose first line names the columns.
///
/// # Errors
/// The first line cannot be read, or there is none.
pub(super) fn read(bytes: &[u8]) -> Result<Grid, String> {
    // A byte order mark, as spreadsheets write it, is no part of the first column's name.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?;
    if header.is_empty() {
        return Err("it is empty, not even a line with the columns' names came".to_owned());
    }
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    if let [only] = names.as_slice()
        && let Some((_, by)) = [('\t', "tabs"), (';', "semicolons"), ('|', "bars")]
            .into_iter()
            .find(|(separator, _)| header.get(0).unwrap_or(only).contains(*separator))
    {
        return Err(format!(
            "`{only:.60}` would be its only column: it is separated by {by}, write commas"
        ));
    }
    let mut grid = Grid {
        kinds: vec![None; names.len()],
        names,
        ..Grid::default()
    };
    for record in reader.records() {
        match record {
            Ok(record) if record.len() == grid.names.len() => {
                grid.rows.push(record.iter().map(value).collect());
            }
            Ok(record) => {
                let (given, wanted) = (record.len(), grid.names.len());
                let line = record.position().map_or(0, csv::Position::line);
                grid.unread(|| {
                    format!("line {line} has {given} fields where there are {wanted} columns")
                });
            }
            Err(error) => grid.unread(|| error.to_string()),
        }
    }
    Ok(grid)
}

fn value(field: &str) -> Value {
    if field.is_empty() {
        Value::Null
    } else {
        Value::Cell(field.to_owned())
    }
}
