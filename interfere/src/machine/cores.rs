//! Lists of cores as the kernel writes them: `0-3,7`.

/// Why a list of cores cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {text:?} as a list of cores: write such as 0-3,7")]
pub struct CoreListError {
    text: String,
}

/// No machine has more: a longer range is a typing error, and would only fill memory.
const MOST_CORES: usize = 65_536;

/// The cores of a list such as `0-3,7`, ascending, each once.
///
/// # Errors
/// When it is no such list.
pub fn parse_list(text: &str) -> Result<Vec<usize>, CoreListError> {
    let error = || CoreListError {
        text: text.to_owned(),
    };
    let mut cores = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| error())?;
        let last: usize = last.trim().parse().map_err(|_| error())?;
        if last < first || last >= MOST_CORES {
            return Err(error());
        }
        cores.extend(first..=last);
    }
    cores.sort_unstable();
    cores.dedup();
    Ok(cores)
}

/// The list of ascending cores, as the kernel writes it.
#[must_use]
pub fn format_list(cores: &[usize]) -> String {
    let ranges = cores.chunk_by(|first, second| first + 1 == *second);
    let parts: Vec<String> = ranges
        .map(|range| match range {
            [one] => one.to_string(),
            _ => format!("{}-{}", range[0], range[range.len() - 1]),
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_list("0-2,7\n").unwrap(), [0, 1, 2, 7]);
        for wrong in ["", "a", "3-1", "1,,2", "-1", "0-99999999999"] {
            assert!(parse_list(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_list_comes_back(cores in prop::collection::btree_set(0..5000usize, 1..100)) {
            let cores: Vec<usize> = cores.into_iter().collect();
            prop_assert_eq!(parse_list(&format_list(&cores)).unwrap(), cores);
        }
    }
}
