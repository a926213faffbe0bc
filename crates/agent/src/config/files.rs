//! Files that settings point at, and where things are kept when nobody says.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The largest secret that is read, in bytes (our guess; a key file with a dozen keys takes under 1 KiB).
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret's text, and what should be said about its file.
pub struct Secret {
    /// The text, without blanks around it.
    pub text: String,
    /// Set if others than the owner may read the file: what to do about it.
    pub exposed: Option<String>,
}

/// Reads a file that holds a secret: the cluster's key, the API's token. `holds` says what should be in it.
///
/// Fails, with a text that says what to do, if it cannot be read, is empty, too large, or not text. A byte order mark is no part of the secret.
pub fn read_secret(path: &Path, holds: &str) -> Result<Secret, String> {
    let shown = path.display();
    let refused = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => format!("{shown} does not exist"),
        std::io::ErrorKind::PermissionDenied => {
            format!("{shown} may not be read by this user; give it the file with chown")
        }
        std::io::ErrorKind::InvalidData => format!("{shown} is not text; it must hold {holds}"),
        _ => format!("cannot read {shown}: {e}"),
    };
    let file = std::fs::File::open(path).map_err(refused)?;
    let meta = file.metadata().map_err(refused)?;
    if meta.is_dir() {
        return Err(format!("{shown} is a directory, a file is needed"));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map_err(refused)?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("{shown} is larger than {SECRET_BYTES_MAX} bytes"));
    }
    let text = text.trim_start_matches('\u{feff}').trim().to_string();
    if text.is_empty() {
        return Err(format!("{shown} is empty; it must hold {holds}"));
    }
    let mode = meta.permissions().mode();
    let exposed = (meta.is_file() && mode & 0o077 != 0).then(|| {
        format!("{shown} can be used by others than its owner (mode {:o}); chmod 600 {shown}", mode & 0o777)
    });
    Ok(Secret { text, exposed })
}

/// Where the data directory is when nobody says: the XDG base directory specification's state directory, or `/var/lib` for root.
pub fn default_data_dir(env: &dyn Fn(&str) -> Option<String>, is_root: bool) -> Option<PathBuf> {
    if is_root {
        return Some("/var/lib/rumormill".into());
    }
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("rumormill"))
}

/// The host's name, as the kernel knows it.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".into() } else { name }
}
