//! Export requests on disk, in the order of their arrival, until somebody has fetched them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The extension of a file that holds a request.
const EXTENSION: &str = "otlp";

/// One export request: what its body is, and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its `Content-Encoding`, or nothing.
    pub encoding: String,
    /// The body as it came.
    pub body: Bytes,
}

/// The folder and what is in it, by number.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    most_bytes: u64,
    held_bytes: u64,
    next: u64,
    sizes: BTreeMap<u64, u64>,
}

/// There is no room for a request now, or none at all.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Somebody must fetch first.
    #[error("keep spans: {0} bytes wait to be fetched")]
    Full(u64),
    /// The disk refuses.
    #[error("keep spans: {0}")]
    Disk(#[from] io::Error),
}

impl Spool {
    /// Opens a folder, with what a receiver before us left there. Numbers go on from there, or begin at `first`, which
    /// has to be beyond those of receivers elsewhere before us.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(dir: &Path, most_bytes: u64, first: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut sizes = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            let number = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .and_then(|stem| stem.parse().ok());
            if let (Some(number), true) = (
                number,
                path.extension().is_some_and(|kind| kind == EXTENSION),
            ) {
                sizes.insert(number, entry.metadata()?.len());
            }
        }
        let held_bytes = sizes.values().sum();
        let next = sizes
            .keys()
            .next_back()
            .map_or(first, |last: &u64| last.saturating_add(1));
        Ok(Self {
            dir: dir.to_owned(),
            most_bytes,
            held_bytes,
            next,
            sizes,
        })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:020}.{EXTENSION}"))
    }

    /// Keeps a request. When this returns, it is on disk.
    ///
    /// # Errors
    /// When there is no room.
    pub fn keep(&mut self, parcel: &Parcel) -> Result<(), SpoolError> {
        let bytes = parcel.encode();
        let size = bytes.len() as u64;
        if self.held_bytes.saturating_add(size) > self.most_bytes {
            return Err(SpoolError::Full(self.held_bytes));
        }
        let (number, hidden) = (self.next, self.dir.join("incoming"));
        // It appears whole or not at all: a receiver that is started again reads what is here.
        fs::write(&hidden, &bytes)?;
        fs::rename(&hidden, self.path(number))?;
        self.next += 1;
        self.held_bytes += size;
        self.sizes.insert(number, size);
        Ok(())
    }

    /// Forgets all up to and including `number`: somebody has them.
    ///
    /// # Errors
    /// When a file cannot be removed; it is forgotten all the same.
    pub fn forget(&mut self, number: u64) -> io::Result<()> {
        let rest = self.sizes.split_off(&(number.saturating_add(1)));
        let fetched = std::mem::replace(&mut self.sizes, rest);
        self.held_bytes -= fetched.values().sum::<u64>();
        self.next = self.next.max(number.saturating_add(1));
        fetched
            .keys()
            .try_for_each(|number| fs::remove_file(self.path(*number)))
    }

    /// How many requests nobody has fetched yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.sizes.len() as u64
    }

    /// Whether there is something beyond `number`.
    #[must_use]
    pub fn has_beyond(&self, number: u64) -> bool {
        self.sizes
            .keys()
            .next_back()
            .is_some_and(|last| *last > number)
    }

    /// The first requests beyond `number`, up to about `most` bytes, as one body: see [`decode`].
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn batch(&self, number: u64, most: usize) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        for number in self
            .sizes
            .range(number.saturating_add(1)..)
            .map(|(number, _)| *number)
        {
            let bytes = fs::read(self.path(number))?;
            if !body.is_empty() && body.len() + bytes.len() > most {
                break;
            }
            body.put_u64(number);
            body.put_u64(bytes.len() as u64);
            body.put_slice(&bytes);
        }
        Ok(body.freeze())
    }
}

impl Parcel {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n{}\n", self.content_type, self.encoding).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn decode(bytes: &Bytes) -> Option<Self> {
        let first = bytes.iter().position(|byte| *byte == b'\n')?;
        let second = first + 1 + bytes[first + 1..].iter().position(|byte| *byte == b'\n')?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (content_type, encoding) = (text(&bytes[..first]), text(&bytes[first + 1..second]));
        Some(Self {
            content_type,
            encoding,
            body: bytes.slice(second + 1..),
        })
    }
}

/// The requests of a [`Spool::batch`] with their numbers; nothing if it is cut or broken.
#[must_use]
pub fn decode(mut batch: Bytes) -> Option<Vec<(u64, Parcel)>> {
    let mut parcels = Vec::new();
    while batch.has_remaining() {
        if batch.remaining() < 16 {
            return None;
        }
        let number = batch.get_u64();
        let length = usize::try_from(batch.get_u64())
            .ok()
            .filter(|length| *length <= batch.remaining())?;
        parcels.push((number, Parcel::decode(&batch.split_to(length))?));
    }
    Some(parcels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parcel(body: &[u8]) -> Parcel {
        Parcel {
            content_type: "application/x-protobuf".into(),
            encoding: "gzip".into(),
            body: Bytes::copy_from_slice(body),
        }
    }

    proptest! {
        #[test]
        fn whatever_is_kept_comes_back_once_in_order_and_across_restarts(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12), most in 1_usize..600, restart: bool,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut spool = Spool::open(dir.path(), 1 << 20, 1).unwrap();
            bodies.iter().for_each(|body| spool.keep(&parcel(body)).unwrap());
            let (mut after, mut came) = (0, Vec::new());
            while spool.has_beyond(after) {
                if restart {
                    spool = Spool::open(dir.path(), 1 << 20, 1).unwrap();
                }
                for (number, parcel) in decode(spool.batch(after, most).unwrap()).unwrap() {
                    prop_assert!(number > after);
                    after = number;
                    came.push(parcel);
                }
                spool.forget(after).unwrap();
            }
            prop_assert_eq!(came, bodies.iter().map(|body| parcel(body)).collect::<Vec<_>>());
            prop_assert_eq!((spool.held_bytes, fs::read_dir(dir.path()).unwrap().count()), (0, 0));
            // Numbers go on, so that nothing is taken for something fetched before.
            let mut spool = Spool::open(dir.path(), 1 << 20, 1).unwrap();
            spool.forget(after).unwrap();
            spool.keep(&parcel(b"x")).unwrap();
            prop_assert!(spool.has_beyond(after));
        }

        #[test]
        fn a_cut_batch_is_noticed(body in prop::collection::vec(any::<u8>(), 0..50), cut in 1_usize..80) {
            let dir = tempfile::tempdir().unwrap();
            let mut spool = Spool::open(dir.path(), 1 << 20, 1).unwrap();
            spool.keep(&parcel(&body)).unwrap();
            let batch = spool.batch(0, 1).unwrap();
            let end = batch.len().saturating_sub(cut);
            prop_assert!(end == 0 || decode(batch.slice(..end)).is_none());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_until_somebody_fetched() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), 100, 1).unwrap();
        spool.keep(&parcel(&[1; 40])).unwrap();
        assert!(matches!(
            spool.keep(&parcel(&[2; 40])),
            Err(SpoolError::Full(_))
        ));
        spool.forget(1).unwrap();
        spool.keep(&parcel(&[2; 40])).unwrap();
    }
}
