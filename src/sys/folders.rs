//! Where things live on this machine: configuration, data, caches, models.
//!
//! XDG on Unix, the profile's folders on Windows; model files go where the Hugging Face tools keep theirs, so that they
//! are shared. Only computes paths: nothing is made or read here.

use std::path::PathBuf;

use crate::env::Vars;

/// A folder from a variable; a relative one is invalid by the XDG specification and ignored.
fn absolute(vars: &Vars, name: &str) -> Option<PathBuf> {
    vars.get_os(name).map(PathBuf::from).filter(|p| p.is_absolute())
}

pub fn home(vars: &Vars) -> Option<PathBuf> {
    absolute(vars, if cfg!(windows) { "USERPROFILE" } else { "HOME" })
}

fn folder(vars: &Vars, xdg: &str, windows: &str, under_home: &str) -> Option<PathBuf> {
    absolute(vars, xdg)
        .or_else(|| if cfg!(windows) { absolute(vars, windows) } else { None })
        .or_else(|| home(vars).map(|h| h.join(under_home)))
}

/// The user's configuration file.
pub fn user_config(vars: &Vars) -> Option<PathBuf> {
    folder(vars, "XDG_CONFIG_HOME", "APPDATA", ".config").map(|f| f.join("bizra").join("config.toml"))
}

/// Keys, salts, and the ledger of work outside a repository.
pub fn data(vars: &Vars) -> Option<PathBuf> {
    folder(vars, "XDG_DATA_HOME", "LOCALAPPDATA", ".local/share").map(|f| f.join("bizra"))
}

/// What can be made again at any time.
pub fn cache(vars: &Vars) -> Option<PathBuf> {
    folder(vars, "XDG_CACHE_HOME", "LOCALAPPDATA", ".cache").map(|f| f.join("bizra"))
}

/// The cache of model files that the Hugging Face tools share.
pub fn model_cache(vars: &Vars) -> Option<PathBuf> {
    absolute(vars, "HF_HUB_CACHE").or_else(|| hub_home(vars).map(|h| h.join("hub")))
}

/// The folder of Hugging Face's tools: their token, and the cache unless that is elsewhere.
fn hub_home(vars: &Vars) -> Option<PathBuf> {
    absolute(vars, "HF_HOME")
        .or_else(|| folder(vars, "XDG_CACHE_HOME", "LOCALAPPDATA", ".cache").map(|c| c.join("huggingface")))
}

/// The file that holds the user's token for the hub.
pub fn hub_token(vars: &Vars) -> Option<PathBuf> {
    absolute(vars, "HF_TOKEN_PATH").or_else(|| hub_home(vars).map(|h| h.join("token")))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn variables_come_before_home_and_relative_ones_do_not_count() {
        let vars: Vars = [("HOME", "/h"), ("XDG_DATA_HOME", "relative"), ("HF_HOME", "/hf")].into_iter().collect();
        assert_eq!(user_config(&vars).as_deref(), Some(Path::new("/h/.config/bizra/config.toml")));
        assert_eq!(data(&vars).as_deref(), Some(Path::new("/h/.local/share/bizra")));
        assert_eq!(cache(&vars).as_deref(), Some(Path::new("/h/.cache/bizra")));
        assert_eq!(model_cache(&vars).as_deref(), Some(Path::new("/hf/hub")));
        assert_eq!(cache(&vars).as_deref(), Some(Path::new("/h/.cache/bizra")));
        assert_eq!(data(&Vars::default()), None);
    }
}
