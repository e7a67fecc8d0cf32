//! The archive of an image that engines import: an OCI layout (image-spec 1.1) with Docker's `manifest.json` beside it,
//! which is what `docker save` writes, too. Every blob is called by its SHA-256.

use super::layer::append;
use super::name::Name;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Write};
use tar::{Builder, EntryType};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// All our images were made then: equal files are to be equal images.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// An image of one layer.
pub struct Image {
    /// Its name.
    pub name: Name,
    /// Its machine, as images name it.
    pub architecture: &'static str,
    /// How it is run.
    pub config: Value,
    /// Its files, a tar archive.
    pub layer: Vec<u8>,
}

/// A blob, and how others refer to it.
struct Blob<'a> {
    content: &'a [u8],
    digest: String,
    media_type: &'static str,
}

impl<'a> Blob<'a> {
    fn new(content: &'a [u8], media_type: &'static str) -> Self {
        let hex = Sha256::digest(content)
            .iter()
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        Self {
            content,
            digest: hex,
            media_type,
        }
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": format!("sha256:{}", self.digest),
            "size": self.content.len(),
        })
    }
}

impl Image {
    /// Writes the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let layer = Blob::new(&self.layer, LAYER);
        let config = json!({
            "created": CREATED,
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)] },
            "history": [{ "created": CREATED, "created_by": "aefm image tar" }],
        });
        let config = serde_json::to_vec(&config)?;
        let config = Blob::new(&config, CONFIG);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        });
        let manifest = serde_json::to_vec(&manifest)?;
        let manifest = Blob::new(&manifest, MANIFEST);
        let mut archive = Builder::new(out);
        let mut file = |path: &str, content: &[u8]| {
            append(&mut archive, path, EntryType::Regular, 0o644, content)
        };
        file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        file("index.json", &serde_json::to_vec(&self.index(&manifest))?)?;
        file(
            "manifest.json",
            &serde_json::to_vec(&self.for_docker(&config, &layer))?,
        )?;
        for blob in [&config, &manifest, &layer] {
            file(&blob.path(), blob.content)?;
        }
        archive.into_inner()?.flush()
    }

    /// containerd takes the name from its own annotation, others the tag from OCI's.
    fn index(&self, manifest: &Blob<'_>) -> Value {
        let mut descriptor = manifest.descriptor();
        descriptor["platform"] = json!({ "architecture": self.architecture, "os": "linux" });
        descriptor["annotations"] = json!({
            "io.containerd.image.name": self.name.whole(),
            "org.opencontainers.image.ref.name": self.name.tag(),
        });
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor] })
    }

    fn for_docker(&self, config: &Blob<'_>, layer: &Blob<'_>) -> Value {
        json!([{ "Config": config.path(), "RepoTags": [self.name.to_string()], "Layers": [layer.path()] }])
    }
}
