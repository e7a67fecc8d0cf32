//! One file into one object, in one piece or in parts; there whole or not at all.

use super::files::Version;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutResult, WriteMultipart};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// A file beyond this goes up in parts of this size...
const PART_BYTES: u64 = 8 << 20;
/// ...or of larger ones, since no store takes more parts than this.
const MOST_PARTS: u64 = 10_000;
/// So much is read at a time.
const READ_BYTES: usize = 256 << 10;

/// Why a file is not there.
#[derive(Debug)]
pub(super) enum SendError {
    /// It cannot be read.
    Read(io::Error),
    /// The store does not take it.
    Put(object_store::Error),
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<object_store::Error> for SendError {
    fn from(error: object_store::Error) -> Self {
        Self::Put(error)
    }
}

/// Writes the file to the object; what was sent, and what the store calls it.
pub(super) async fn send(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    key: &Key,
) -> Result<(Version, Option<String>), SendError> {
    let mut from = File::open(path).await?;
    // Of the file that is open: another may take its name meanwhile.
    let version = Version::of(&from.metadata().await?)?;
    let put = if version.bytes <= PART_BYTES {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).await?;
        store.put(key, bytes.into()).await?
    } else {
        send_parts(store, from, key, part_bytes(version.bytes)).await?
    };
    Ok((version, put.e_tag))
}

async fn send_parts(
    store: &Arc<dyn ObjectStore>,
    mut from: File,
    key: &Key,
    part: usize,
) -> Result<PutResult, SendError> {
    let mut write = WriteMultipart::new_with_chunk_size(store.put_multipart(key).await?, part);
    let mut bytes = vec![0; READ_BYTES];
    loop {
        // One part under way, and one that is filled.
        let read = match write.wait_for_capacity(1).await {
            Ok(()) => from.read(&mut bytes).await.map_err(SendError::Read),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(0) => return Ok(write.finish().await?),
            Ok(read) => write.write(&bytes[..read]),
            Err(error) => {
                // Parts without an end would be kept, and paid for.
                drop(write.abort().await);
                return Err(error);
            }
        }
    }
}

fn part_bytes(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(MOST_PARTS).max(PART_BYTES)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_file_has_more_parts_than_a_store_takes(bytes in 1_u64..(1 << 46)) {
            let part = part_bytes(bytes) as u64;
            prop_assert!(bytes.div_ceil(part) <= MOST_PARTS);
            prop_assert!(part >= PART_BYTES && (part == PART_BYTES || part * (MOST_PARTS - 1) < bytes));
        }
    }
}
