//! What a container of a pod comes to as a process: arguments with their variables filled in, environment, and volumes
//! as folders. A process has no mounts of its own, so a path below a mount is turned into the folder that stands for it;
//! and no network of its own, so that `0.0.0.0` is turned into the pod's address.

use super::super::resource;
use super::super::store::{Key, Store, list, text};
use super::process::Start;
use serde_json::Value;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

/// The process of a container; the error is what its state says (`CreateContainerConfigError`).
pub(crate) fn start(
    store: &Store,
    pod: &Value,
    container: &Value,
    program: &Path,
    folder: &Path,
    address: &str,
    api: u16,
) -> Result<Start, String> {
    let mounts = mounts(store, pod, container, folder)?;
    let told = [
        ("HOSTNAME", text(pod, "/metadata/name").to_owned()),
        ("KUBERNETES_SERVICE_HOST", Ipv4Addr::LOCALHOST.to_string()),
        ("KUBERNETES_SERVICE_PORT", api.to_string()),
    ];
    let mut environment: Vec<_> = told
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for entry in list(container, "/env") {
        let value = variable(store, pod, entry, address)?;
        let value = place(&fill(&value, &environment), &mounts);
        environment.push((text(entry, "/name").to_owned(), value));
    }
    let words = |field: &str| {
        list(container, field)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut arguments = words("/command");
    if arguments.is_empty() {
        arguments.push(program.to_string_lossy().into_owned());
    }
    arguments.extend(words("/args"));
    let settle = |word: &String| {
        place(&fill(word, &environment), &mounts).replace("0.0.0.0:", &format!("{address}:"))
    };
    let arguments = arguments.iter().map(settle).collect();
    Ok(Start {
        program: program.to_owned(),
        arguments,
        environment,
        folder: folder.to_owned(),
        stdin: container["stdin"] == true,
        stdin_once: container["stdinOnce"] == true,
    })
}

fn variable(store: &Store, pod: &Value, entry: &Value, address: &str) -> Result<String, String> {
    let from = &entry["valueFrom"];
    let path = text(from, "/fieldRef/fieldPath");
    if !path.is_empty() {
        return Ok(field(pod, path, address));
    }
    for (source, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
        if let Some(reference) = from.get(source) {
            let content = content(store, kind, pod, text(reference, "/name"))?;
            let key = text(reference, "/key");
            let found = content.into_iter().find(|(name, _)| name == key);
            return found
                .map(|(_, value)| value)
                .ok_or_else(|| format!("couldn't find key {key} in {kind}"));
        }
    }
    Ok(text(entry, "/value").to_owned())
}

/// The downward API: `metadata.name`, `status.podIP`, `metadata.annotations['x']`, ...
fn field(pod: &Value, path: &str, address: &str) -> String {
    if let Some((map, key)) = path.split_once("['") {
        return pod["metadata"][map.trim_start_matches("metadata.")][key.trim_end_matches("']")]
            .as_str()
            .unwrap_or_default()
            .to_owned();
    }
    match path {
        "status.podIP" | "status.podIPs" => address.to_owned(),
        "status.hostIP" => "127.0.0.1".to_owned(),
        path => text(pod, &format!("/{}", path.replace('.', "/"))).to_owned(),
    }
}

/// The entries of a config map or a secret (whose values are base64, or plain in `stringData`).
fn content(
    store: &Store,
    kind: &'static str,
    pod: &Value,
    name: &str,
) -> Result<Vec<(String, String)>, String> {
    let key = Key::new(resource::of(kind), text(pod, "/metadata/namespace"), name);
    let object = store
        .get(&key)
        .ok_or_else(|| format!("{} \"{name}\" not found", kind.to_lowercase()))?;
    let entries = |field: &str| object[field].as_object().cloned().unwrap_or_default();
    let plain = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let decoded = |value: &Value| {
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, plain(value))
                .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let binary = if kind == "Secret" {
        "data"
    } else {
        "binaryData"
    };
    let text = if kind == "Secret" {
        "stringData"
    } else {
        "data"
    };
    let mut found: Vec<(String, String)> = entries(binary)
        .iter()
        .map(|(key, value)| (key.clone(), decoded(value)))
        .collect();
    found.extend(
        entries(text)
            .iter()
            .map(|(key, value)| (key.clone(), plain(value))),
    );
    Ok(found)
}

/// Mount paths, longest first, and the folders (or files) that stand for them.
fn mounts(
    store: &Store,
    pod: &Value,
    container: &Value,
    folder: &Path,
) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for mount in list(container, "/volumeMounts") {
        let name = text(mount, "/name");
        let volume = list(pod, "/spec/volumes")
            .iter()
            .find(|volume| volume["name"] == name);
        let volume = volume.ok_or_else(|| format!("volume {name} not found"))?;
        let here = folder.join("volumes").join(name);
        fill_volume(store, pod, volume, &here)?;
        let here = Some(text(mount, "/subPath"))
            .filter(|path| !path.is_empty())
            .map_or(here.clone(), |path| here.join(path));
        found.push((
            text(mount, "/mountPath").trim_end_matches('/').to_owned(),
            here.to_string_lossy().into_owned(),
        ));
    }
    found.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    Ok(found)
}

fn fill_volume(store: &Store, pod: &Value, volume: &Value, here: &Path) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    fs::create_dir_all(here).map_err(failed)?;
    let entries = if let Some(source) = volume.get("configMap") {
        content(store, "ConfigMap", pod, text(source, "/name"))?
    } else if let Some(source) = volume.get("secret") {
        content(store, "Secret", pod, text(source, "/secretName"))?
    } else {
        Vec::new()
    };
    entries
        .iter()
        .try_for_each(|(name, value)| fs::write(here.join(name), value))
        .map_err(failed)
}

/// `$(NAME)` is what the environment says.
fn fill(word: &str, environment: &[(String, String)]) -> String {
    environment
        .iter()
        .fold(word.to_owned(), |word, (name, value)| {
            word.replace(&format!("$({name})"), value)
        })
}

/// A path below a mount (a word's begin, what follows its `=`, or a text of a JSON document) becomes one below its folder.
fn place(word: &str, mounts: &[(String, String)]) -> String {
    if word.starts_with('{') {
        return mounts
            .iter()
            .fold(word.to_owned(), |document, (mount, folder)| {
                let document = document.replace(&format!("\"{mount}\""), &format!("\"{folder}\""));
                document.replace(&format!("\"{mount}/"), &format!("\"{folder}/"))
            });
    }
    let (option, path) = word
        .split_once('=')
        .filter(|(option, _)| !option.contains('/'))
        .map_or(("", word), |(option, path)| (option, path));
    let below = |mount: &str| {
        path.strip_prefix(mount)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let Some((mount, folder)) = mounts.iter().find(|(mount, _)| below(mount)) else {
        return word.to_owned();
    };
    let path = format!("{folder}{}", &path[mount.len()..]);
    if option.is_empty() {
        path
    } else {
        format!("{option}={path}")
    }
}
